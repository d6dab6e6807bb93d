"use strict";
(() => {
  const block = document.getElementById("along-data");
  const slider = document.getElementById("slider");
  if (!block || !slider) return;
  const { start, moves, texts } = JSON.parse(block.textContent);
  const all = (attribute) =>
    [...document.querySelectorAll(`[data-${attribute}]`)].map((place) => [place, place.dataset[attribute]]);
  const shown = all("show"), marks = all("mark"), dots = all("dot");
  const show = (k) => {
    slider.setAttribute("aria-valuetext", texts[k].scale);
    for (const [place, key] of shown) place.textContent = texts[k][key];
    for (const [mark, key] of marks) mark.setAttribute("transform", `translate(${moves[key][k]},0)`);
    for (const [dot, key] of dots) {
      const y = moves[key][k];
      dot.setAttribute("visibility", y === null ? "hidden" : "visible");
      if (y !== null) dot.setAttribute("cy", y);
    }
  };
  slider.value = start; // a page that is loaded again may have kept another place
  slider.addEventListener("input", () => show(Number(slider.value)));
  document.getElementById("control").hidden = false;
  show(start);
})();
