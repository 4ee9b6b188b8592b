// Looks at the status page in Chromium as people do, and prints one JSON line for each check. Called by page_test.go.
import { strict as assert } from "node:assert";
import { chromium } from "playwright-core";
import { contrasts, overflowing, tree } from "./look.mjs";

const [base, executablePath, shots] = process.argv.slice(2);
const scenarios = {
  good: { h1: "Protected.", word: "ok", has: ["3 databases, each with a backup of the last 6 h 40 min.", "The vault is locked, 365 days.", "every try was refused"] },
  overdue: { h1: "Overdue.", word: "overdue", has: ["The newest backup of sql-cohort-prod/Audit is 3 d 6 h old.", "The newest backup of sql-cohort-prod/Audit is of 2026-11-21 02:00: 3 d 6 h old, 26 h at most are allowed.", "2 of 3", "verify.rows_differ", "% of the median", "On the servers, and not protected"] },
  drift: { h1: "Not locked.", word: "not locked", has: ["Was Locked, 365 days, is Unlocked, 7 days.", "Failed"] },
  running: { h1: "Protected.", word: "ok", has: ["31 of 48", "1,811 MiB of 2,944 MiB", "41.3 MiB/s", "9 s ago", "Audit → Audit_RESTORE"] },
  stalled: { h1: "Protected.", word: "ok", has: ["Stalled", "Failed without a word"] },
  stale: { h1: "Unknown.", word: "unknown", has: ["The watch has not looked since 2026-11-24 03:20, 5 h 20 min ago."] },
  direct: { h1: "In time, by a direct look.", word: "ok", has: ["Looked directly", "The watch has not looked yet"] },
  empty: { h1: "Unknown.", word: "unknown", has: ["Could not be read", "403 AuthorizationFailed", "No database is protected."] },
  thousand: { h1: "Overdue.", word: "overdue", has: ["999 of 1000", "950 more databases", "The newest 24 of 30000 slots."] },
};

const args = ["--disable-dev-shm-usage", "--disable-gpu"];
if (process.getuid() === 0) args.push("--no-sandbox"); // Chromium's sandbox does not run as root
const browser = await chromium.launch({ executablePath, args });

async function check(name, body) {
  let error = "";
  try {
    await body();
  } catch (e) {
    error = e.message;
  }
  console.log(JSON.stringify({ name, error }));
}

// open gives a page that notes every complaint of the browser's and every request that leaves the page's own origin.
async function open(scenario, { query = "", ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: "light", ...options });
  const page = await context.newPage();
  const noise = [];
  page.on("console", (m) => noise.push(`${m.type()}: ${m.text()}`));
  page.on("pageerror", (e) => noise.push(`error: ${e.message}`));
  page.on("request", (r) => { if (!r.url().startsWith(base) && !r.url().startsWith("data:")) noise.push(`asked for ${r.url()}`); });
  const response = await page.goto(`${base}/${scenario}${query}`);
  return { page, noise, body: await response.text(), close: () => context.close() };
}

async function content(name, want) {
  const { page, noise, close } = await open(name);
  assert.equal(await page.locator("h1").innerText(), want.h1);
  assert.equal(await page.title(), `bacvault: ${want.word}`);
  const text = await page.locator("body").innerText();
  for (const words of want.has) assert.ok(text.includes(words), `the page does not say "${words}"`);
  const links = await page.locator("a").evaluateAll((all) => all.map((a) => a.href));
  for (const href of links) assert.doesNotMatch(href, /Cohort|Audit|Tenant/, "a link names a database");
  if (name !== "thousand") await page.screenshot({ path: `${shots}/${name}-light.png`, fullPage: true });
  assert.deepEqual(noise, []);
  await close();
}

async function accessibility(name) {
  const { page, close } = await open(name);
  const nodes = await tree(page);
  const of = (role) => nodes.filter((n) => n.role === role);
  for (const role of ["banner", "main", "navigation", "contentinfo"]) assert.equal(of(role).length, 1, `landmark ${role}`);
  const levels = of("heading").map((n) => n.level);
  assert.deepEqual(levels.filter((l) => l === 1).length, 1, "one heading of the first level");
  for (let i = 1; i < levels.length; i++) assert.ok(levels[i] - levels[i - 1] <= 1, `a heading of level ${levels[i]} follows one of ${levels[i - 1]}`);
  for (const h of ["Findings", "Running now", "Databases", "Drills", "Immutability", "History"]) {
    assert.ok(of("heading").some((n) => n.name === h), `heading ${h}`);
    assert.ok(of("region").some((n) => n.name === h), `region ${h}`);
  }
  assert.deepEqual(of("combobox").map((n) => n.name), ["Database", "Result", "Time"]);
  assert.deepEqual(of("button").map((n) => n.name), ["Show"]);
  assert.ok(of("table").length >= 1);
  for (const t of of("table")) assert.ok(t.name, "a table has no name");
  for (const h of ["Database", "Newest backup", "Newest proof", "Next run", "Protected until", "Last 30 days"]) {
    assert.ok(of("columnheader").some((n) => n.name === h), `column ${h}`);
  }
  for (const role of ["image", "link", "rowheader"]) for (const n of of(role)) assert.ok(n.name, `a ${role} has no name`);
  if (name === "overdue") {
    assert.ok(of("image").some((n) => n.name === "30 slots: 7 proven, 19 taken, 1 orphan (11-09), 2 missed (11-23, 11-24), 1 failed (11-22)"), "the strip says nothing");
    assert.ok(of("image").some((n) => /^last \d+ sizes: [\d.,]+ MiB to [\d.,]+ MiB$/.test(n.name)), "the trend says nothing");
  }
  await close();
}

async function keyboard() {
  const { page, close } = await open("overdue");
  const at = () => page.evaluate(() => {
    const e = document.activeElement, s = getComputedStyle(e), box = e.getBoundingClientRect();
    return { tag: e.tagName, id: e.id, text: (e.textContent ?? "").trim(), name: e.getAttribute("name"), outline: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2, onScreen: box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight };
  });
  await page.keyboard.press("Tab");
  let e = await at();
  assert.equal(e.text, "Skip to the content");
  assert.ok(e.onScreen, "the skip link stays hidden when it has the focus");
  await page.keyboard.press("Enter");
  assert.equal((await at()).id, "main");
  const seen = [];
  for (let i = 0; i < 40 && !seen.includes("BUTTON"); i++) {
    await page.keyboard.press("Tab");
    e = await at();
    if (e.tag === "BODY") break;
    assert.ok(e.outline, `${e.tag} ${e.text.slice(0, 20)} shows no focus`);
    assert.ok(e.onScreen, `${e.tag} ${e.text.slice(0, 20)} has the focus out of sight`);
    seen.push(e.tag === "SELECT" ? e.name : e.tag);
  }
  assert.deepEqual(seen, ["A", "A", "A", "db", "state", "days", "BUTTON"]);
  await close();
}

async function filter() {
  const { page, noise, close } = await open("overdue", { query: "?code=k%2By%3D%3D" });
  const html = await page.content();
  assert.ok(!html.includes("k+y==") && !html.includes("k%2By"), "the function key is in the page's text");
  await page.getByRole("combobox", { name: "Result" }).selectOption("missed");
  await page.getByRole("combobox", { name: "Database" }).selectOption({ label: "sql-cohort-prod/Audit" });
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForURL(/state=missed/);
  let url = new URL(page.url());
  assert.equal(url.searchParams.get("code"), "k+y==", "the key was lost on the way");
  assert.match(url.searchParams.get("db"), /^[0-9a-f]{12}$/);
  assert.equal(url.hash, "#history");
  assert.ok(!decodeURIComponent(url.search).includes("Audit"), "the URL names a database");
  assert.equal(await page.locator("#history ~ table tbody tr").count(), 2);
  assert.equal(await page.getByRole("combobox", { name: "Result" }).inputValue(), "missed");
  await page.getByRole("link", { name: "Show all" }).click();
  await page.waitForURL((u) => !u.search.includes("state"));
  assert.equal(new URL(page.url()).searchParams.get("code"), "k+y==");
  await page.getByRole("link", { name: "Reference", exact: true }).click();
  await page.waitForURL(/db=/);
  url = new URL(page.url());
  assert.equal(url.searchParams.get("code"), "k+y==");
  assert.equal(await page.locator("#history ~ table tbody tr").count(), 30);
  assert.deepEqual(noise, []);
  await close();
}

async function narrow(name, width) {
  const { page, close } = await open(name, { viewport: { width, height: 700 }, isMobile: width < 600, hasTouch: width < 600 });
  const [has, wide] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
  assert.ok(wide <= width && has <= width, `the page is ${wide} wide on ${width}`);
  assert.deepEqual(await page.evaluate(overflowing), []);
  if (width === 320 && name !== "thousand") await page.screenshot({ path: `${shots}/${name}-phone.png`, fullPage: true });
  await close();
}

async function contrast(name, colorScheme) {
  const { page, close } = await open(name, { colorScheme });
  const { bad, looked } = await page.evaluate(contrasts);
  assert.ok(looked > 50, `only ${looked} texts were measured`);
  assert.deepEqual(bad, []);
  const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(dark === "rgb(14, 17, 21)", colorScheme === "dark", `the background is ${dark}`);
  if (colorScheme === "dark") await page.screenshot({ path: `${shots}/${name}-dark.png`, fullPage: true });
  await close();
}

async function withoutScript() {
  const { page, close } = await open("overdue", { javaScriptEnabled: false });
  const text = await page.locator("body").innerText();
  for (const words of ["Overdue.", "The newest backup of sql-cohort-prod/Audit is 3 d 6 h old.", "sql-cohort-prod", "Locked"]) assert.ok(text.includes(words), words);
  await page.getByRole("combobox", { name: "Result" }).selectOption("failed");
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForURL(/state=failed/);
  assert.equal(await page.locator("#history ~ table tbody tr").count(), 1);
  await close();
}

async function print() {
  const { page, close } = await open("overdue", { colorScheme: "dark" });
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.locator("nav").isVisible(), false);
  assert.equal(await page.locator("form").isVisible(), false);
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
  assert.deepEqual((await page.evaluate(contrasts)).bad, []);
  await page.pdf({ path: `${shots}/overdue-print.pdf`, format: "A4" });
  await close();
}

async function weight() {
  const { page, body, close } = await open("thousand");
  assert.ok(body.length < 3 << 20, `the page weighs ${body.length} bytes`);
  const first = page.locator("section[aria-labelledby=databases] > table tbody tr");
  assert.equal(await first.count(), 50);
  assert.match(await first.first().innerText(), /Tenant-0613/);
  await page.screenshot({ path: `${shots}/thousand-light.png` });
  const more = page.locator("details tbody tr");
  assert.equal(await more.last().isVisible(), false);
  await page.locator("summary").focus();
  await page.keyboard.press("Enter");
  assert.equal(await more.count(), 950);
  assert.equal(await more.last().isVisible(), true);
  await close();
}

for (const [name, want] of Object.entries(scenarios)) {
  await check(`content of ${name}`, () => content(name, want));
  await check(`roles and names of ${name}`, () => accessibility(name));
  for (const width of [320, 768, 1280]) await check(`${name} on ${width} pixels`, () => narrow(name, width));
  if (name === "thousand") continue;
  for (const scheme of ["light", "dark"]) await check(`contrast of ${name}, ${scheme}`, () => contrast(name, scheme));
}
await check("keyboard", keyboard);
await check("filter, with a function key", filter);
await check("without script", withoutScript);
await check("on paper", print);
await check("a thousand databases", weight);
await browser.close();
