// Movement that is seen: a number that runs from 0 to 1, for who draws what is in between.

const PACE = 450; // ms
export const FLIGHT = 700; // ms that one thing takes from its place to another

export const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Calls `draw` for each frame, the last time with 1; at once for who wants no motion. What comes
// back ends it where it is.
export function run(draw) {
  if (isStill()) {
    draw(1);
    return () => {};
  }
  const start = performance.now();
  let asked = null;
  function frame(now) {
    const share = Math.min(1, Math.max(0, (now - start) / PACE));
    draw(1 - (1 - share) ** 3);
    asked = share < 1 ? requestAnimationFrame(frame) : null;
  }
  draw(0);
  asked = requestAnimationFrame(frame);
  return () => cancelAnimationFrame(asked);
}

export const between = (from, to, share) => from + (to - from) * share;
