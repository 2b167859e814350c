"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const isSmall = (place) => place.classList.contains("small");

  // "--accent" stands for whatever the page's style says it is now
  const resolve = (value, style) => {
    if (typeof value === "string") return /^--[a-z-]+$/.test(value) ? style.getPropertyValue(value).trim() : value;
    if (Array.isArray(value)) return value.map((item) => resolve(item, style));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item, style)]));
  };

  const layoutOf = (figure, place) => {
    const axis = {
      fixedrange: true, automargin: true, zeroline: true, zerolinecolor: "--rule", zerolinewidth: 1,
      gridcolor: "--grid", linecolor: "--rule", tickcolor: "--rule", ticks: "outside", ticklen: 4,
      title: { standoff: 8 },
    };
    const merged = (own) => ({ ...axis, ...own, title: { ...axis.title, ...(own || {}).title } });
    const small = isSmall(place);
    return {
      hovermode: place.id === "equity" ? "x unified" : "closest",
      ...figure.layout,
      xaxis: merged(figure.layout.xaxis),
      yaxis: merged(figure.layout.yaxis),
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: small ? 11 : 12, color: "--muted" },
      margin: small ? { l: 36, r: 8, t: 8, b: 36 } : { l: 48, r: 12, t: 30, b: 44 },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" },
      hoverlabel: { bgcolor: "--surface", bordercolor: "--rule", font: { color: "--ink" } },
      width: place.clientWidth,
      height: place.clientHeight,
      dragmode: false,
    };
  };

  const draw = () => {
    const style = getComputedStyle(root);
    for (const [id, figure] of Object.entries(figures)) {
      const place = document.getElementById(id);
      if (!place) continue;
      const layout = resolve(layoutOf(figure, place), style);
      Plotly.react(place, resolve(figure.data, style), layout, { displayModeBar: false, scrollZoom: false });
    }
  };

  let waiting = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(draw);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  // on paper: light colours, and the width of a page
  addEventListener("beforeprint", () => { root.classList.add("paper"); draw(); });
  addEventListener("afterprint", () => { root.classList.remove("paper"); draw(); });
  draw();
})();
