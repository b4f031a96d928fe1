// Progressive enhancement of the console: pages fetch themselves again when the server says that something changed.
// Everything works without this file. Nothing is stored but whether the sound is wanted.
"use strict";
(() => {
  const EVERY_MS = 10000, APART_MS = 1000, LOST_MS = 20000, AGAIN_MS = 3000;
  const topics = new Set((document.body.dataset.live || "").split(" ").filter(Boolean));
  const $ = (id) => document.getElementById(id);
  const announce = (text) => { const place = $("announce"); if (place) place.textContent = text; };

  // ---- fetching the page again: only regions that differ are replaced; focus, open details and typed text stay
  let fetching = false, again = false, failed = false, lastAt = 0, goodAt = Date.now(), timer = 0;

  function soon() {
    if (timer) return;
    timer = setTimeout(refresh, Math.max(0, lastAt + APART_MS - Date.now()));
  }
  async function refresh() {
    timer = 0;
    if (fetching) { again = true; return; }
    fetching = true; lastAt = Date.now();
    try {
      const address = new URL(location.href);
      address.searchParams.delete("seq");
      const answer = await fetch(address, {headers: {"X-Refresh": "1"}, signal: AbortSignal.timeout(15000)});
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) { location.reload(); return; }
      if (answer.ok) {
        take(new DOMParser().parseFromString(await answer.text(), "text/html"));
        goodAt = Date.now(); failed = false;
      } else if (answer.status === 401 || answer.status === 403) { location.reload(); return; }
      else failed = true;
    } catch { failed = true; }
    fetching = false;
    connection();
    if (again) { again = false; soon(); }
    else if (failed) setTimeout(soon, AGAIN_MS);
  }
  function take(fresh) {
    const before = reds(document);
    for (const region of document.querySelectorAll("[data-region]")) {
      const twin = fresh.querySelector(`[data-region="${CSS.escape(region.dataset.region)}"]`);
      if (twin && twin.innerHTML !== region.innerHTML) swap(region, twin);
    }
    document.title = fresh.title || document.title;
    const added = [...reds(document)].filter(([id]) => !before.has(id));
    if (added.length) { announce(added.map(([, says]) => says).join("; ")); sound(); }
  }
  function swap(region, twin) {
    const typed = new Map(), open = new Set();
    for (const field of region.querySelectorAll("input:not([type=hidden]), textarea, select")) typed.set(key(field), value(field));
    for (const part of region.querySelectorAll("details[open][id]")) open.add(part.id);
    const focus = region.contains(document.activeElement) ? path(document.activeElement, region) : null;
    region.replaceChildren(...document.importNode(twin, true).childNodes);
    for (const field of region.querySelectorAll("input:not([type=hidden]), textarea, select"))
      if (typed.has(key(field))) put(field, typed.get(key(field)));
    for (const id of open) { const part = $(id); if (part) part.open = true; }
    if (focus) { const found = region.querySelector(focus); if (found) found.focus({preventScroll: true}); }
  }
  const key = (field) => `${field.form ? field.form.id || field.form.action : ""} ${field.name} ${field.id}`;
  const value = (field) => (field.type === "checkbox" ? field.checked : field.value);
  const put = (field, was) => { if (field.type === "checkbox") field.checked = was; else field.value = was; };
  function path(element, region) {
    if (element.id) return `#${CSS.escape(element.id)}`;
    const row = element.closest("[id]");
    const start = row && region.contains(row) ? `#${CSS.escape(row.id)} ` : "";
    if (element.name) return `${start}${element.localName}[name="${CSS.escape(element.name)}"]` + (element.localName === "button" ? `[value="${CSS.escape(element.value)}"]` : "");
    const href = element.getAttribute && element.getAttribute("href");
    return href ? `${start}a[href="${CSS.escape(href)}"]` : start.trim() || null;
  }
  const reds = (page) => new Map([...page.querySelectorAll("[data-red]")].map((row) => [row.dataset.red, row.dataset.says || ""]));

  // ---- what is shown must never be old without saying so
  function connection() {
    const place = $("connection");
    if (!place) return;
    const lost = topics.size > 0 && (failed || Date.now() - goodAt > LOST_MS);
    place.hidden = !lost;
    const shown = document.querySelector('[data-region="as-of"] time');
    if (lost && shown) place.querySelector("time").textContent = shown.textContent;
    document.body.classList.toggle("lost", lost);
  }

  if (topics.size) {
    if (window.EventSource) {
      const events = new EventSource("/events");
      events.addEventListener("changed", (event) => {
        const what = event.data.split(" ");
        if (what.includes("all") || what.some((topic) => topics.has(topic))) soon();
      });
      events.addEventListener("error", soon);
      addEventListener("pagehide", () => events.close());
    }
    setInterval(() => { if (!document.hidden || reds(document).size || wanted()) soon(); connection(); }, EVERY_MS);
    for (const change of ["online", "offline"]) addEventListener(change, soon);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }

  // ---- a sound for new reds, if this desk wants it
  const button = $("sound");
  const wanted = () => { try { return localStorage.getItem("sound") === "on"; } catch { return false; } };
  function sound() {
    if (!wanted() || !window.AudioContext) return;
    const context = new AudioContext();
    [0, 0.35, 0.7].forEach((at) => {
      const tone = context.createOscillator(), gain = context.createGain();
      tone.frequency.value = 880; gain.gain.value = 0.2;
      tone.connect(gain).connect(context.destination);
      tone.start(context.currentTime + at); tone.stop(context.currentTime + at + 0.2);
    });
    setTimeout(() => context.close(), 1500);
  }
  if (button && topics.size) {
    const show = () => { button.setAttribute("aria-pressed", String(wanted())); button.textContent = wanted() ? button.dataset.on : button.dataset.off; };
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      try { localStorage.setItem("sound", wanted() ? "off" : "on"); } catch { return; }
      show(); sound();
    });
  }

  // ---- keys
  const help = $("help"), helpButton = $("help-button");
  if (helpButton && help) { helpButton.hidden = false; helpButton.addEventListener("click", () => help.showModal()); }
  function move(by) {
    const rows = [...document.querySelectorAll("[data-row]")];
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by))];
    const link = next.querySelector('a[href^="/incidents/"]') || next.querySelector("a[href]");
    if (link) { link.focus({preventScroll: true}); next.scrollIntoView({block: "nearest"}); }
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const where = event.target;
    if (where.closest && where.closest("input, textarea, select, dialog")) {
      if (event.key === "Escape" && where.blur && !where.closest("dialog")) where.blur();
      return;
    }
    const inRow = where.closest && where.closest("[data-row]");
    const keys = {
      j: () => move(1), k: () => move(-1), r: () => location.reload(), u: () => { location.href = "/"; },
      "/": () => { const field = $("search"); if (field) field.focus(); },
      n: () => { const field = $("note"); if (field) field.focus(); },
      "?": () => { if (help) help.showModal(); },
    };
    if (inRow) Object.assign(keys, {ArrowDown: () => move(1), ArrowUp: () => move(-1)});
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  // ---- one form, one sending (the server tells twins apart as well)
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => { for (const form of document.forms) delete form.dataset.sent; });
})();
