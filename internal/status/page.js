// A function key in the page's own address (?code=…) goes along with the filter and the links, and never into the page's text.
(() => {
  const key = new URLSearchParams(location.search).get("code");
  if (!key) return;
  addEventListener("formdata", (e) => e.formData.set("code", key));
  addEventListener("click", (e) => {
    const a = e.target.closest('a[href^="?"]');
    if (!a) return;
    const plain = a.getAttribute("href"), to = new URL(a.href);
    to.searchParams.set("code", key);
    a.href = to;
    setTimeout(() => a.setAttribute("href", plain));
  });
})();
