"use strict";
(() => {
  const $ = (wanted, from = document) => from.querySelector(wanted);
  const every = (wanted, from = document) => [...from.querySelectorAll(wanted)];
  const ask = (address) => fetch(address, { headers: { "X-Requested-With": "fetch" }, redirect: "error" });

  // parts that take long come after the page
  const fill = async (place, into) => {
    try {
      const answer = await ask(place.dataset.fragment);
      if (answer.ok) into.innerHTML = await answer.text();
    } catch { /* the link that stands there leads to the same */ }
  };
  const late = (place) => {
    if (place.tagName !== "DETAILS") return fill(place, place);
    const into = document.createElement("div");
    place.addEventListener("toggle", () => {
      if (!place.open || into.isConnected) return;
      const words = $("p", place);
      words.textContent = "Working it out …";
      fill(place, into).then(() => { if (into.firstChild) { words.remove(); place.append(into); } });
    });
    return null;
  };
  every("[data-fragment]").forEach(late);

  // what has changed is put in place; what somebody reads, selects or types in stays
  let isWaiting = false, isDue = false, judged = Date.now();
  const refresh = async () => {
    if (isWaiting || document.hidden) { isDue = true; return; }
    isWaiting = true;
    isDue = false;
    try {
      const answer = await ask(location.href.split("#")[0]);
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const old of every("[data-live]")) {
          const now = fresh.getElementById(old.id);
          if (now && now.innerHTML !== old.innerHTML && !old.contains(document.activeElement) && !$("input:checked", old)) {
            const scrolled = every(".scroll, pre", old).map((part) => [part.scrollLeft, part.scrollTop]);
            old.replaceWith(now);
            every(".scroll, pre", now).forEach((part, k) => { if (scrolled[k]) [part.scrollLeft, part.scrollTop] = scrolled[k]; });
          }
        }
        const verdict = $("#verdict[data-fragment]");
        if (verdict && Date.now() - judged > 20000 && !verdict.contains(document.activeElement)) {
          judged = Date.now();
          fill(verdict, verdict);
        }
      }
    } catch { /* the next word from the server asks again */ }
    setTimeout(() => { isWaiting = false; if (isDue) refresh(); }, 2000);
  };
  const events = document.body.dataset.events;
  if (events) {
    const source = new EventSource(events);
    source.addEventListener("changed", refresh);
    let wasLost = false;
    source.onerror = () => { wasLost = true; document.body.classList.add("lost"); };
    source.onopen = () => { document.body.classList.remove("lost"); if (wasLost) { wasLost = false; refresh(); } };
    document.addEventListener("visibilitychange", () => { if (!document.hidden && isDue) refresh(); });
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }

  // the nearest point of a chart says what it is
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  const nearest = (event) => {
    const svg = event.target.closest("svg[data-points]");
    if (!svg) return null;
    svg.known ??= JSON.parse(svg.dataset.points);
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let best = null, least = 900;
    for (const point of svg.known) {
      const away = (point[0] - at.x) ** 2 + (point[1] - at.y) ** 2;
      if (away < least) { least = away; best = point; }
    }
    return best;
  };
  addEventListener("pointermove", (event) => {
    const point = event.target.closest ? nearest(event) : null;
    tip.hidden = !point;
    if (!point) return;
    tip.textContent = point[3];
    tip.style.left = `${Math.min(event.pageX + 12, document.documentElement.clientWidth - 180)}px`;
    tip.style.top = `${event.pageY + 12}px`;
  }, { passive: true });
  addEventListener("click", (event) => {
    const point = nearest(event);
    const base = location.pathname.split("/").slice(0, 3).join("/");
    if (point && point[2]) location.href = `${base}/runs/${encodeURIComponent(point[2])}`;
  });
  addEventListener("submit", (event) => {
    const words = event.submitter && event.submitter.dataset.ask;
    if (words && !confirm(words)) event.preventDefault();
  });

  // a link to a version opens it
  const opened = () => {
    const named = document.getElementById(location.hash.slice(1));
    if (named && named.tagName === "DETAILS") { named.open = true; named.scrollIntoView(); }
  };
  addEventListener("hashchange", opened);
  opened();

  // keys: j and k move between rows, Enter opens, n and p turn pages, / searches
  const rows = () => every("table.rows tbody tr th a");
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const links = rows(), at = links.indexOf(document.activeElement);
    const go = (link) => { if (link) { link.focus(); link.scrollIntoView({ block: "nearest" }); } };
    if (event.key === "j") go(links[Math.min(at + 1, links.length - 1)]);
    else if (event.key === "k") go(links[Math.max(at - 1, 0)]);
    else if (event.key === "n") $("a[rel=next]")?.click();
    else if (event.key === "p") $("a[rel=prev]")?.click();
    else if (event.key === "/" && $("[data-key='/']")) { event.preventDefault(); $("[data-key='/']").focus(); }
  });
})();
