/** The laboratory's slide viewer: boxes and points with a Bethesda class, keyboard first, every change saved at once. */
import { Mark, MarkLayer } from "./marks";
import { showPanel } from "./panel";
import { addScaleBar } from "./ruler";
import { Outbox, Standing } from "./saving";
import { OpenSeadragon, Slide, embedded, openViewer, tileSource, widestOf } from "./tiles";

interface Term {
  code: string;
  name: string;
  key: string;
  colour: string;
}

interface Shown {
  slide: Slide;
  terms: Term[];
  marks: Mark[];
  may_label: boolean;
}

type Tool = "move" | "box" | "point";

const shown = embedded<Shown>("shown");
const part = <T extends HTMLElement>(selector: string): T => document.querySelector<T>(selector)!;
const stage = part(".stage");
const help = part<HTMLDialogElement>("#help");
const shortcuts = part<HTMLInputElement>("#shortcuts");
const colourOf = new Map(shown.terms.map((term) => [term.code, term.colour]));
const widest = widestOf(shown.slide);

const marks = new Map(shown.marks.map((mark) => [mark.label_id, mark]));
const undone: Mark[][] = [];
let current: string | null = null;
let brush = shown.terms.find((term) => term.code === "HSIL")?.code ?? shown.terms[0]!.code;
let tool: Tool = "move";

let corner: [number, number] | null = null; // first corner of a box drawn by keyboard

const viewer = openViewer(part(".osd"), tileSource(shown.slide), {
  showNavigator: true,
  navigatorPosition: "TOP_RIGHT",
  navigatorSizeRatio: 0.16,
});
const layer = new MarkLayer(viewer, (code) => colourOf.get(code) ?? "#555");
const regions = (): Mark[] => [...marks.values()].filter((mark) => mark.subject === "region");

// --- saving

function tell(words: string, standing: Standing): void {
  part(".status span").textContent = words;
  part(".status").dataset.standing = standing;
  part("#retry").hidden = standing !== "away";
}

const outbox = new Outbox(
  `/studies/${shown.slide.study}/labels`,
  { series: shown.slide.series, sop: widest.sop },
  tell,
  ({ mark, retracted }) => {
    if (!retracted) marks.delete(mark.label_id);
    show();
  },
);
const save = (mark: Mark, retracted = false): void => outbox.add(mark, retracted);

// --- what a person does

function put(mark: Mark): void {
  const before = marks.get(mark.label_id);
  undone.push(before ? [structuredClone(before)] : [{ ...mark, code: "" }]);
  marks.set(mark.label_id, mark);
  save(mark);
  show();
}

function remove(id: string): void {
  const mark = marks.get(id);
  if (!mark) return;
  undone.push([structuredClone(mark)]);
  marks.delete(id);
  if (current === id) current = null;
  save(mark, true);
  show();
}

function undo(): void {
  for (const before of undone.pop() ?? []) {
    if (before.code) {
      marks.set(before.label_id, before);
      save(before);
    } else {
      const now = marks.get(before.label_id);
      marks.delete(before.label_id);
      if (now) save(now, true);
      if (current === before.label_id) current = null;
    }
  }
  show();
}

function classify(code: string): void {
  brush = code;
  const mark = current ? marks.get(current) : undefined;
  if (mark) put({ ...mark, code });
  else show();
}

function classifySlide(): void {
  const known = [...marks.values()].find((mark) => mark.subject === "slide");
  put({ label_id: known?.label_id ?? crypto.randomUUID(), subject: "slide", code: brush, shape: "none", points: [] });
}

function add(shape: "point" | "box", points: [number, number][]): void {
  const mark: Mark = { label_id: crypto.randomUUID(), subject: "region", code: brush, shape, points };
  current = mark.label_id;
  put(mark);
}

function step(by: number): void {
  const all = regions();
  if (!all.length) return;
  const at = all.findIndex((mark) => mark.label_id === current);
  goTo(all[(at + by + all.length) % all.length]!);
}

function goTo(mark: Mark): void {
  current = mark.label_id;
  const [[x0, y0], [x1, y1]] = MarkLayer.corners(mark);
  const margin = Math.max(200, x1 - x0);
  const area = new OpenSeadragon.Rect(x0 - margin, y0 - margin, x1 - x0 + 2 * margin, y1 - y0 + 2 * margin);
  viewer.viewport.fitBounds(viewer.viewport.imageToViewportRectangle(area));
  show();
}

// --- what is shown

function show(): void {
  layer.show(regions(), current);
  layer.aim(tool !== "move");
  press("[data-tool]", (button) => button.dataset.tool === tool);
  press("[data-code]", (button) => button.dataset.code === brush);
  const slide = [...marks.values()].find((mark) => mark.subject === "slide");
  part("#slide-class").textContent = slide?.code ?? "not classified yet";
  const doings = { colour: (code: string) => colourOf.get(code) ?? "#555", goTo, remove: (mark: Mark) => remove(mark.label_id) };
  showPanel(part(".marks"), part("#counts"), regions(), current, doings);
}

function press(selector: string, isOn: (button: HTMLElement) => boolean): void {
  document.querySelectorAll<HTMLElement>(selector).forEach((button) => button.setAttribute("aria-pressed", String(isOn(button))));
}

function toggleMarks(): void {
  part("#hide").setAttribute("aria-pressed", String(layer.toggle()));
}

function choose(next: Tool): void {
  tool = tool === next ? "move" : next;
  if (tool !== "move") current = null; // the next class is for the next mark, not for the last
  corner = null;
  layer.sketch(null);
  viewer.setMouseNavEnabled(tool === "move");
  viewer.element.style.cursor = tool === "move" ? "" : "crosshair";
  show();
}

// --- pointer

type Point = [number, number];

function within(point: OpenSeadragon.Point): Point {
  const bound = (value: number, most: number): number => Math.round(10 * Math.max(0, Math.min(most, value))) / 10;
  return [bound(point.x, widest.width), bound(point.y, widest.height)];
}

function imagePoint(event: { position: OpenSeadragon.Point }): Point {
  return within(viewer.viewport.viewerElementToImageCoordinates(event.position));
}

/** A box from any two corners; none where it is too small to be meant. */
function addBox(one: Point, other: Point): void {
  const [x0, x1] = [Math.min(one[0], other[0]), Math.max(one[0], other[0])];
  const [y0, y1] = [Math.min(one[1], other[1]), Math.max(one[1], other[1])];
  layer.sketch(null);
  if (x1 - x0 >= 2 && y1 - y0 >= 2) add("box", [[x0, y0], [x1, y1]]);
}

if (shown.may_label) {
  let start: Point | null = null;
  new OpenSeadragon.MouseTracker({
    element: viewer.element,
    pressHandler: (event) => {
      if (tool === "box") start = imagePoint(event as unknown as { position: OpenSeadragon.Point });
    },
    dragHandler: (event) => {
      if (start) layer.sketch([start, imagePoint(event as unknown as { position: OpenSeadragon.Point })]);
    },
    releaseHandler: (event) => {
      if (!start) return;
      addBox(start, imagePoint(event as unknown as { position: OpenSeadragon.Point }));
      start = null;
    },
    clickHandler: (event) => {
      if (tool === "point") add("point", [imagePoint(event as unknown as { position: OpenSeadragon.Point })]);
    },
  } as OpenSeadragon.MouseTrackerOptions);
  // while the slide can be moved, the viewer's own tracker takes the pointer
  viewer.addHandler("canvas-click", (event) => {
    if (tool !== "move" || !event.quick) return;
    current = layer.at(imagePoint(event))?.label_id ?? null;
    show();
  });
}

document.querySelectorAll<HTMLElement>("[data-tool]").forEach((button) => {
  button.addEventListener("click", () => choose(button.dataset.tool as Tool));
});
document.querySelectorAll<HTMLElement>("[data-code]").forEach((button) => {
  button.addEventListener("click", () => classify(button.dataset.code!));
});
const clicks: Record<string, () => void> = {
  "#classify-slide": classifySlide,
  "#home": () => void viewer.viewport.goHome(),
  "#hide": toggleMarks,
  "#show-help": () => help.showModal(),
  "#retry": () => outbox.retry(),
  "#undo": undo,
};
for (const [selector, act] of Object.entries(clicks)) document.querySelector(selector)?.addEventListener("click", act);

// --- keyboard: the crosshair in the middle of the view is the pen, the arrows move the slide below it

const STEP_PX = 60;
const FINE_PX = 6;

function pan(right: number, down: number, fine: boolean): void {
  const step = fine ? FINE_PX : STEP_PX;
  viewer.viewport.panBy(viewer.viewport.deltaPointsFromPixels(new OpenSeadragon.Point(right * step, down * step)));
}

const centre = (): Point => within(viewer.viewport.viewportToImageCoordinates(viewer.viewport.getCenter(true)));

function draw(): void {
  if (tool === "point") add("point", [centre()]);
  if (tool !== "box") return;
  if (corner) {
    const from = corner;
    corner = null;
    addBox(from, centre());
  } else corner = centre();
}

viewer.addHandler("update-viewport", () => {
  if (corner) layer.sketch([corner, centre()]);
});

function escape(): void {
  if (corner) {
    corner = null;
    layer.sketch(null);
  } else if (tool !== "move") choose("move");
  else current = null;
  show();
}

const look: Record<string, (fine: boolean) => void> = {
  ArrowLeft: (fine) => pan(-1, 0, fine),
  ArrowRight: (fine) => pan(1, 0, fine),
  ArrowUp: (fine) => pan(0, -1, fine),
  ArrowDown: (fine) => pan(0, 1, fine),
  "+": () => void viewer.viewport.zoomBy(1.5),
  "-": () => void viewer.viewport.zoomBy(1 / 1.5),
  h: () => void viewer.viewport.goHome(),
  v: toggleMarks,
  "?": () => help.showModal(),
};
const label: Record<string, () => void> = {
  b: () => choose("box"),
  p: () => choose("point"),
  m: () => choose("move"),
  n: () => step(1),
  N: () => step(-1),
  s: classifySlide,
  Enter: draw,
  Escape: escape,
  Delete: () => void (current && remove(current)),
  Backspace: () => void (current && remove(current)),
};
for (const term of shown.terms) if (term.key) label[term.key] = () => classify(term.code);

function deedOf(event: KeyboardEvent): (() => void) | undefined {
  const target = event.target as HTMLElement;
  if (help.open || target.matches("input, select, textarea")) return undefined;
  if (event.key.length === 1 && !shortcuts.checked) return undefined;
  if ((event.ctrlKey || event.metaKey) && event.key === "z") return shown.may_label ? undo : undefined;
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  if (event.key === "Enter" && target.matches("button, a")) return undefined;
  const seen = look[event.key];
  if (seen) return () => seen(event.shiftKey);
  return shown.may_label ? label[event.key] : undefined;
}

addEventListener("keydown", (event) => {
  const deed = deedOf(event);
  if (!deed) return;
  event.preventDefault();
  deed();
});
viewer.addHandler("canvas-key", (event) => {
  (event as { preventDefaultAction: boolean }).preventDefaultAction = true;
});
shortcuts.checked = localStorage.getItem("single-keys") !== "off";
shortcuts.addEventListener("change", () => localStorage.setItem("single-keys", shortcuts.checked ? "on" : "off"));

addScaleBar(viewer, stage, widest.um);
viewer.addHandler("open", show);
show();
tell(shown.may_label ? "Every change is saved at once" : "You may look, not label", "saved");
