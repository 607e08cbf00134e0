for (const data of document.querySelectorAll("script[data-figure]")) {
  const figure = JSON.parse(data.textContent);
  Plotly.newPlot(data.dataset.figure, figure.data, figure.layout, {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  });
}
// Paper has another width than the screen.
const fit = () => document.querySelectorAll(".plot").forEach((plot) => Plotly.Plots.resize(plot));
window.addEventListener("beforeprint", fit);
window.addEventListener("afterprint", fit);
