// Shows a lesson slide by slide. The keys are the deck's until the focus goes into a view; Escape
// gives them back. Nothing here asks a network.

const STAGE = { width: 1280, height: 720 };
const SWIPE = 60;
const NEARLY = 8; // pixels by which a slide may be too tall, or not quite at its top
const STEP = 0.8; // of what is seen of a slide that is taller than the window

const slides = [...document.querySelectorAll(".inm-slide")];
const contents = document.querySelector(".inm-contents");
const bar = document.querySelector(".inm-deck");
let at = -1;
let notes = null; // the window with the speaker's notes

const body = (slide) => slide.querySelector(".inm-slide-body");
const fragments = (slide) => [...slide.querySelectorAll(".fragment")];
const title = (slide) =>
  slide.parentElement.dataset.title || document.querySelector("h1").innerText;
const beyond = (slide) => body(slide).scrollHeight - body(slide).clientHeight; // what is not seen
const emptyBelow = (slide) => parseFloat(getComputedStyle(body(slide)).paddingBottom);
// Is there more to read?
const below = (slide) => beyond(slide) - emptyBelow(slide) - body(slide).scrollTop > NEARLY;

// --- where we are --------------------------------------------------------------------------------

function tell() {
  bar.querySelector(".inm-deck-count").textContent = `${at + 1} / ${slides.length}`;
  bar.querySelector(".inm-deck-told").textContent = below(slides[at]) ? "↓ more" : "";
  bar.style.setProperty("--inm-done", (at + 1) / slides.length);
}

// A slide that is too tall, with all that will come, becomes tight, and then its views smaller. It
// stays so while it is shown: what has been read keeps its place. A view that is still a picture
// has not its size yet.
function makeRoom() {
  const slide = slides[at];
  if (slide.querySelector(".inm-live:not(.inm-is-alive)")) {
    tell();
    return;
  }
  slide.classList.add("is-measured");
  if (beyond(slide) > NEARLY) slide.classList.add("is-tight");
  const spare = parseFloat(slide.style.getPropertyValue("--inm-spare")) || 0;
  const more = Math.max(0, beyond(slide));
  if (more) slide.style.setProperty("--inm-spare", `${Math.min(spare + more, innerHeight)}px`);
  slide.classList.remove("is-measured");
  tell();
}

// `whole`: with all that comes one after the other.
function show(place, whole = false) {
  const next = Math.max(0, Math.min(place, slides.length - 1));
  const slide = slides[next];
  slides[at]?.classList.remove("is-shown");
  at = next;
  slide.classList.add("is-shown");
  body(slide).scrollTop = 0;
  slide.classList.remove("is-tight");
  slide.style.removeProperty("--inm-spare");
  fragments(slide).forEach((one) => one.classList.toggle("is-shown", whole));
  makeRoom();
  body(slide).focus({ preventScroll: true });
  history.replaceState(null, "", `#${slide.querySelector(".jp-Cell").id}`);
  tellNotes();
}

function forward() {
  const slide = slides[at];
  const seen = body(slide);
  const hidden = fragments(slide).find((one) => !one.classList.contains("is-shown"));
  if (below(slide)) seen.scrollBy(0, seen.clientHeight * STEP);
  else if (hidden) {
    hidden.classList.add("is-shown");
    hidden.scrollIntoView({ block: "nearest" });
    tell();
  } else if (at < slides.length - 1) show(at + 1);
}

function back() {
  const slide = slides[at];
  const seen = body(slide);
  const last = fragments(slide).findLast((one) => one.classList.contains("is-shown"));
  if (seen.scrollTop > NEARLY) seen.scrollBy(0, -seen.clientHeight * STEP);
  else if (last) {
    last.classList.remove("is-shown");
    tell();
  } else if (at > 0) show(at - 1, true);
}

// The first slide of the section that is `steps` away from this one.
function section(steps) {
  const starts = slides.filter((slide) => slide === slide.parentElement.firstElementChild);
  const here = starts.indexOf(slides[at].parentElement.firstElementChild);
  const there = starts[Math.max(0, Math.min(here + steps, starts.length - 1))];
  show(slides.indexOf(there));
}

// What the address names: a cell, or a heading in one. False if it is on no slide.
function follow() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const slide = named?.closest(".inm-slide");
  if (!slide) return false;
  const later = named.closest(".fragment");
  show(slides.indexOf(slide), Boolean(later));
  if (later) named.scrollIntoView({ block: "nearest" });
  return true;
}

// --- keys, fingers and buttons -------------------------------------------------------------------

const acts = {
  forward,
  back,
  contents: () => contents.showModal(),
};
const keys = {
  ArrowRight: (event) => (event.shiftKey ? section(1) : forward()),
  ArrowLeft: (event) => (event.shiftKey ? section(-1) : back()),
  " ": (event) => (event.shiftKey ? back() : forward()),
  PageDown: forward,
  PageUp: back,
  Home: () => show(0),
  End: () => show(slides.length - 1, true),
  Escape: acts.contents,
  s: openNotes,
};

// Whether `element` has a use for `key` of its own.
function isTaken(element, key) {
  if (element.closest("input, select, textarea, dialog")) return true;
  return key === " " && Boolean(element.closest("a, button, summary"));
}

function onKey(event) {
  const { key, target } = event;
  const act = keys[key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.closest(".inm-live") || isTaken(target, key)) return;
  event.preventDefault();
  act(event);
}

// A view keeps its keys to itself, so this is heard on the way down to it.
function onEscape({ key, target }) {
  if (key !== "Escape" || !target.closest(".inm-live")) return;
  setTimeout(() => body(slides[at]).focus({ preventScroll: true })); // the view hears it first
}

function listenToFingers() {
  let start = null;
  const place = ({ changedTouches: [{ clientX, clientY }] }) => [clientX, clientY];
  document.addEventListener(
    "touchstart",
    (event) => {
      const isOurs = event.touches.length === 1 && !event.target.closest(".inm-live, dialog");
      start = isOurs ? place(event) : null;
    },
    { passive: true },
  );
  document.addEventListener("touchend", (event) => {
    if (!start) return;
    const [across, down] = place(event).map((one, axis) => one - start[axis]);
    start = null;
    if (Math.abs(across) < Math.max(SWIPE, 2 * Math.abs(down))) return;
    if (across < 0) forward();
    else back();
  });
}

// --- contents and notes --------------------------------------------------------------------------

function fillContents() {
  const sections = [...document.querySelectorAll("main > section")];
  const lines = sections.map((one) => {
    const line = document.createElement("li");
    const link = document.createElement("a");
    link.href = `#${one.querySelector(".jp-Cell").id}`;
    link.textContent = title(one.firstElementChild);
    link.addEventListener("click", () => contents.close());
    line.append(link);
    return line;
  });
  contents.querySelector("ol").replaceChildren(...lines);
}

function openNotes() {
  notes = window.open("", "inm-notes", "width=720,height=480");
  if (!notes) return;
  notes.document.addEventListener("keydown", onKey); // a step may be made from there too
  tellNotes();
}

function tellNotes() {
  if (!notes || notes.closed) return;
  const page = notes.document;
  const line = (name, words) => {
    const element = page.createElement(name);
    element.textContent = words;
    return element;
  };
  const said = [...slides[at].querySelectorAll(".notes")].map((one) => {
    const copy = page.importNode(one, true);
    copy.hidden = false;
    return copy;
  });
  const next = slides[at + 1]?.querySelector("h1, h2, h3, p, pre, .inm");
  page.title = "Speaker’s notes";
  page.body.style.font = "20px/1.5 system-ui, sans-serif";
  page.body.replaceChildren(
    line("h1", `${at + 1} / ${slides.length} · ${title(slides[at])}`),
    ...(said.length ? said : [line("p", "No note to this slide.")]),
    line("p", next ? `Next: ${next.textContent.trim().split("\n")[0]}` : "The last slide."),
  );
}

// --- begin ---------------------------------------------------------------------------------------

function fit() {
  const zoom = Math.min(innerWidth / STAGE.width, innerHeight / STAGE.height);
  document.documentElement.style.setProperty("--inm-zoom", zoom);
  if (at >= 0) makeRoom();
}

function begin() {
  fillContents();
  fit();
  if (!follow()) show(0);
  bar.hidden = false;
  const grown = new ResizeObserver(makeRoom);
  document.querySelectorAll(".inm-slide-all").forEach((one) => grown.observe(one));
  document.querySelectorAll(".inm-slide-body").forEach((one) => {
    one.addEventListener("scroll", tell, { passive: true });
  });
  bar.addEventListener("click", ({ target }) => acts[target.dataset.act]?.());
  addEventListener("resize", fit);
  addEventListener("hashchange", follow);
  document.addEventListener("keydown", onEscape, true);
  document.addEventListener("keydown", onKey);
  listenToFingers();
}

begin();
