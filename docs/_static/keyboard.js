// Code, tables and formulas that are wider than the page scroll; with this they also scroll by the arrow keys.
function letScrollByKeys() {
  for (const box of document.querySelectorAll("pre, .table-wrapper, div.math, .math-wrapper, .cell_output")) {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
addEventListener("load", letScrollByKeys);
addEventListener("resize", letScrollByKeys);
