// Goes behind heatmap.js, in its scope: a click on a point of the curves is a click on the cell of the map.
const side = element.closest('[id^="gv-sweep-map-"]').id.replace('gv-sweep-map-', '');

const onPoint = (event) => {
  const point = event.points[0];
  const place = point && Array.isArray(point.customdata) ? point.customdata[1] : null;
  const cell = cells().find((one) => one.dataset.place === place);
  if (cell) choose(cell);
};

// Gradio puts a new plot in place of the old one: listeners are put on when the pointer comes.
document.addEventListener('pointerover', (event) => {
  const plot = event.target.closest && event.target.closest(`#gv-sweep-${side} .js-plotly-plot`);
  if (!plot || plot.dataset.clickable || !plot.on) return;
  plot.dataset.clickable = 'yes';
  plot.on('plotly_click', onPoint);
});
