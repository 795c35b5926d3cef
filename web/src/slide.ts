/** The laboratory's slide viewer: boxes and points with a Bethesda class, keyboard first, every change saved at once. */
import { MarkLayer } from "./marks";
import { OpenSeadragon, Slide, embedded, openViewer, tileSource } from "./tiles";

export interface Mark {
  label_id: string;
  subject: "slide" | "region";
  code: string;
  shape: "none" | "point" | "box";
  points: [number, number][]; // pixels of the widest level
}

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
const formToken = document.querySelector<HTMLMetaElement>('meta[name="form-token"]')!.content;
const status = document.querySelector<HTMLElement>(".status")!;
const list = document.querySelector<HTMLOListElement>(".marks")!;
const slideClass = document.querySelector<HTMLElement>("#slide-class")!;
const colourOf = new Map(shown.terms.map((term) => [term.code, term.colour]));
const widest = [...shown.slide.levels].sort((a, b) => b.width - a.width)[0]!;

const marks = new Map(shown.marks.map((mark) => [mark.label_id, mark]));
const undone: Mark[][] = [];
let current: string | null = null;
let brush = shown.terms.find((term) => term.code === "HSIL")?.code ?? shown.terms[0]!.code;
let tool: Tool = "move";

const viewer = openViewer(document.querySelector<HTMLElement>(".osd")!, tileSource(shown.slide));
const layer = new MarkLayer(viewer, (code) => colourOf.get(code) ?? "#555");
const regions = (): Mark[] => [...marks.values()].filter((mark) => mark.subject === "region");

// --- saving: one change at a time, in order, tried again until the site has it

const waiting: { mark: Mark; retracted: boolean }[] = [];
let saving = false;

function save(mark: Mark, retracted = false): void {
  waiting.push({ mark: structuredClone(mark), retracted });
  if (!saving) void drain();
}

async function drain(): Promise<void> {
  saving = true;
  while (waiting.length) {
    const { mark, retracted } = waiting[0]!;
    status.textContent = "Saving …";
    const kept = await post({ ...mark, retracted, series: shown.slide.series, sop: widest.sop }).catch(() => null);
    if (kept?.ok) waiting.shift();
    else if (kept && kept.status < 500) {
      waiting.shift();
      const said = (await kept.json().catch(() => ({}))) as { detail?: string };
      status.textContent = `Not saved: ${said.detail ?? kept.status}`;
      saving = false;
      return;
    } else {
      status.textContent = "Not saved yet: the site does not answer. Trying again; keep this page open.";
      await new Promise((again) => setTimeout(again, 2000));
    }
  }
  saving = false;
  status.textContent = `All ${marks.size} labels saved`;
}

function post(body: unknown): Promise<Response> {
  return fetch(`/studies/${shown.slide.study}/labels`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-form-token": formToken },
    body: JSON.stringify(body),
  });
}

addEventListener("beforeunload", (event) => {
  if (waiting.length) event.preventDefault();
});

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
  document.querySelectorAll<HTMLElement>("[data-tool]").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  });
  document.querySelectorAll<HTMLElement>("[data-code]").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset.code === brush));
  });
  const slide = [...marks.values()].find((mark) => mark.subject === "slide");
  slideClass.textContent = slide?.code ?? "not yet classified";
  list.replaceChildren(...regions().map(row));
}

function row(mark: Mark, index: number): HTMLLIElement {
  const item = document.createElement("li");
  if (mark.label_id === current) item.setAttribute("aria-current", "true");
  const go = document.createElement("button");
  go.type = "button";
  go.textContent = `${index + 1}. ${mark.code}, ${mark.shape}`;
  go.addEventListener("click", () => goTo(mark));
  const drop = document.createElement("button");
  drop.type = "button";
  drop.textContent = "Remove";
  drop.setAttribute("aria-label", `Remove label ${index + 1}`);
  drop.addEventListener("click", () => remove(mark.label_id));
  item.append(go, drop);
  return item;
}

function choose(next: Tool): void {
  tool = tool === next ? "move" : next;
  viewer.setMouseNavEnabled(tool === "move");
  viewer.element.style.cursor = tool === "move" ? "" : "crosshair";
  show();
}

// --- pointer

function imagePoint(event: { position: OpenSeadragon.Point }): [number, number] {
  const point = viewer.viewport.viewerElementToImageCoordinates(event.position);
  const within = (value: number, most: number): number => Math.round(10 * Math.max(0, Math.min(most, value))) / 10;
  return [within(point.x, widest.width), within(point.y, widest.height)];
}

if (shown.may_label) {
  let start: [number, number] | null = null;
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
      const end = imagePoint(event as unknown as { position: OpenSeadragon.Point });
      const corners: [number, number][] = [
        [Math.min(start[0], end[0]), Math.min(start[1], end[1])],
        [Math.max(start[0], end[0]), Math.max(start[1], end[1])],
      ];
      start = null;
      layer.sketch(null);
      if (corners[1]![0] - corners[0]![0] >= 2 && corners[1]![1] - corners[0]![1] >= 2) add("box", corners);
    },
    clickHandler: (event) => {
      const at = imagePoint(event as unknown as { position: OpenSeadragon.Point });
      if (tool === "point") add("point", [at]);
      else if (tool === "move") {
        current = layer.at(at)?.label_id ?? null;
        show();
      }
    },
  } as OpenSeadragon.MouseTrackerOptions);
}

document.querySelectorAll<HTMLElement>("[data-tool]").forEach((button) => {
  button.addEventListener("click", () => choose(button.dataset.tool as Tool));
});
document.querySelectorAll<HTMLElement>("[data-code]").forEach((button) => {
  button.addEventListener("click", () => classify(button.dataset.code!));
});
document.querySelector("#classify-slide")?.addEventListener("click", classifySlide);
document.querySelector("#home")?.addEventListener("click", () => viewer.viewport.goHome());

// --- keyboard

const keys: Record<string, () => void> = {
  b: () => choose("box"),
  p: () => choose("point"),
  m: () => choose("move"),
  n: () => step(1),
  N: () => step(-1),
  s: classifySlide,
  h: () => void viewer.viewport.goHome(),
  Escape: () => {
    current = null;
    if (tool !== "move") choose("move");
    else show();
  },
  Delete: () => {
    if (current) remove(current);
  },
  Backspace: () => {
    if (current) remove(current);
  },
  "+": () => void viewer.viewport.zoomBy(1.5),
  "-": () => void viewer.viewport.zoomBy(1 / 1.5),
};
for (const term of shown.terms) if (term.key) keys[term.key] = () => classify(term.code);

addEventListener("keydown", (event) => {
  const target = event.target as HTMLElement;
  if (!shown.may_label || target.matches("input, select, textarea")) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "z") {
    event.preventDefault();
    undo();
  } else if (!event.ctrlKey && !event.metaKey && !event.altKey && keys[event.key]) {
    event.preventDefault();
    keys[event.key]!();
  }
});
viewer.addHandler("canvas-key", (event) => {
  (event as { preventDefaultAction: boolean }).preventDefaultAction = true;
});

viewer.addHandler("open", show);
show();
status.textContent = `${marks.size} labels`;
