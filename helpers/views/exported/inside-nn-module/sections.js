// Marks in the list of sections the one that is being read, and keeps it in sight there.

const list = document.querySelector(".inm-sections");
const links = [...list.querySelectorAll("a")];
const headings = [...document.querySelectorAll("main .jp-RenderedMarkdown h2")];
const LINE = 0.3; // of the window: what is above it has been read or is being read

// At the end of the page the line goes down to the lower edge, so that the last section is reached.
function lineNow() {
  const rest = document.documentElement.scrollHeight - innerHeight - scrollY;
  const below = innerHeight * (1 - LINE);
  return innerHeight * LINE + Math.max(0, below - rest);
}

// A section that was asked for, where the page ends before its heading is at the top.
function askedFor() {
  const asked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const at = headings.findIndex((one) => asked?.contains(one));
  const top = headings[at]?.getBoundingClientRect().top ?? -1;
  return top >= 0 && top < innerHeight ? at : -1;
}

function mark() {
  const line = lineNow();
  const isEnd = line > innerHeight - 2;
  const passed = headings.findLastIndex((one) => one.getBoundingClientRect().top < line);
  const asked = isEnd ? askedFor() : -1;
  const here = links[asked < 0 ? passed : asked];
  for (const link of links) {
    if (link === here) link.setAttribute("aria-current", "location");
    else link.removeAttribute("aria-current");
  }
  if (!here?.offsetParent) return; // folded
  const [top, bottom] = [here.offsetTop, here.offsetTop + here.offsetHeight];
  if (top < list.scrollTop) list.scrollTop = top;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}

let isWaiting = false;
function later() {
  if (isWaiting) return;
  isWaiting = true;
  requestAnimationFrame(() => {
    isWaiting = false;
    mark();
  });
}

addEventListener("scroll", later, { passive: true });
addEventListener("hashchange", later);
addEventListener("resize", later);
later();
