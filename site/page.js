// What scrolls sideways can be reached and scrolled with the keyboard
const reachable = () => document.querySelectorAll('pre, .sd-table, .cell-output-display, .math.display').forEach(el => {
  if (el.scrollWidth > el.clientWidth + 1) el.tabIndex = 0
})
addEventListener('load', reachable)
addEventListener('resize', reachable)
