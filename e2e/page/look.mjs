// What is measured of a page. overflowing and contrasts run in the page itself, so each stands alone.

// tree is the accessibility tree, flat, without what assistive technology does not see.
export async function tree(page) {
  const cdp = await page.context().newCDPSession(page);
  const { nodes } = await cdp.send("Accessibility.getFullAXTree");
  return nodes.filter((n) => !n.ignored).map((n) => ({
    role: n.role?.value, name: n.name?.value ?? "", level: n.properties?.find((p) => p.name === "level")?.value.value,
  }));
}

// overflowing lists the texts that stick out of the window or of the box around them, and drawings larger than a line.
export function overflowing() {
  const out = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement;
    if (!node.data.trim() || e.closest(".off, .skip, thead, script, style, option") || !e.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    const card = e.closest("tr, li, .tiles div, .hero")?.getBoundingClientRect();
    if (box.width && (box.right > innerWidth + 1 || box.left < -1 || (card && box.right > card.right + 1))) out.push(`${node.data.trim().slice(0, 40)} ends at ${Math.round(box.right)}`);
  }
  for (const svg of document.querySelectorAll("svg")) {
    const box = svg.getBoundingClientRect();
    if (box.height > 24 || box.right > innerWidth) out.push(`a drawing is ${Math.round(box.width)} by ${Math.round(box.height)}`);
  }
  return out.slice(0, 5);
}

// contrasts measures every visible text against what lies behind it, and every square of the strips: WCAG 2.2, 1.4.3 and 1.4.11.
export function contrasts() {
  const rgb = (s) => s.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] === 1) return c;
      if (c[3] !== 0) throw new Error("a background is half transparent, which is not measured here");
    }
    return [255, 255, 255];
  };
  const bad = [];
  let looked = 0;
  const measure = (e, colour, least, what) => {
    looked++;
    const r = ratio(rgb(colour), behind(e));
    if (r < least) bad.push(`${what}: ${r.toFixed(2)}, needs ${least}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement;
    if (!node.data.trim() || e.closest("script, style, .off") || !e.checkVisibility()) continue;
    const s = getComputedStyle(e), size = parseFloat(s.fontSize);
    measure(e, s.color, size >= 24 || (size >= 18.66 && s.fontWeight >= 700) ? 3 : 4.5, node.data.trim().slice(0, 40));
  }
  for (const path of document.querySelectorAll(".strip path")) measure(path.closest("svg").parentElement, getComputedStyle(path).fill, 3, path.getAttribute("class"));
  for (const path of document.querySelectorAll(".spark path")) measure(path.closest("svg").parentElement, getComputedStyle(path).stroke, 3, "the trend");
  for (const e of document.querySelectorAll("select, button")) measure(e.parentElement, getComputedStyle(e).borderTopColor, 3, `the border of ${e.tagName}`);
  return { bad: [...new Set(bad)].slice(0, 10), looked };
}
