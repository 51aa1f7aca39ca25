// Draws the plots of the numbers page with uPlot, in the page's own colours.
"use strict";
(() => {
  const { days, plots } = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let drawn = [];

  function colours() {
    const style = getComputedStyle(document.documentElement);
    return (name) => style.getPropertyValue(`--${name}`).trim();
  }

  function draw() {
    drawn.forEach((plot) => plot.destroy());
    const colour = colours();
    const strokes = ["accent", "good", "warn", "bad"].map(colour);
    const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    drawn = plots.map((plot, index) => {
      const place = document.querySelector(`[data-plot="${index}"]`);
      return new uPlot({
        width: place.clientWidth,
        height: 240,
        cursor: { points: { size: 7 } },
        scales: { x: { range: (_, low, high) => [low - 43200, high + 43200] }, y: { range: (_, low, high) => [0, (high || 1) * 1.1] } },
        axes: [axis, { ...axis, size: 56, values: (_, ticks) => ticks.map((v) => plot.unit === "$" ? `$${v}` : `${v}${plot.unit}`) }],
        series: [
          { label: "Day", value: (_, at) => at == null ? "" : new Date(at * 1000).toISOString().slice(0, 10) },
          ...plot.series.map((line, n) => ({
            label: line.name, stroke: strokes[n], width: 2, points: { show: days.length <= 90, size: 5, fill: strokes[n] },
            value: (_, v) => v == null ? "" : plot.unit === "$" ? `$${v}` : `${v}${plot.unit}`,
          })),
        ],
      }, [days, ...plot.series.map((line) => line.values)], place);
    });
  }

  draw();
  dark.addEventListener("change", draw);
  let due;
  addEventListener("resize", () => { clearTimeout(due); due = setTimeout(draw, 150); });
})();
