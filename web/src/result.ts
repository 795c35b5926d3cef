/** The result page: the image, where the model saw the finding, and the regions, each to be switched on and off. */
import { addScaleBar } from "./ruler";
import { OpenSeadragon, Slide, embedded, openViewer, tileSource, widestOf } from "./tiles";

interface Region {
  polygon: [number, number][];
  code: string;
  score: number;
}

interface Shown {
  slide: Slide;
  heat: string | null; // address of the evidence map
  regions: Region[];
}

const shown = embedded<Shown>("shown");
const stage = document.querySelector<HTMLElement>(".osd")!;
const viewer = openViewer(stage, tileSource(shown.slide));
const widest = Math.max(...shown.slide.levels.map((level) => level.width));
const tallest = Math.max(...shown.slide.levels.map((level) => level.height));
const whole = new OpenSeadragon.Rect(0, 0, 1, tallest / widest);
const svgSpace = "http://www.w3.org/2000/svg";

function heatLayer(address: string): HTMLImageElement {
  const image = new Image();
  image.src = address;
  image.alt = "";
  image.className = "heat";
  return image;
}

function regionLayer(regions: Region[]): SVGSVGElement {
  const svg = document.createElementNS(svgSpace, "svg");
  svg.setAttribute("viewBox", `0 0 ${widest} ${tallest}`);
  svg.setAttribute("aria-hidden", "true");
  regions.forEach((region) => {
    const outline = document.createElementNS(svgSpace, "polygon");
    outline.setAttribute("points", region.polygon.map((point) => point.join(",")).join(" "));
    outline.setAttribute("fill", "none");
    outline.setAttribute("stroke", "#c2001a");
    outline.setAttribute("vector-effect", "non-scaling-stroke");
    outline.setAttribute("stroke-width", "2.5");
    svg.append(outline);
  });
  return svg;
}

const heat = shown.heat ? heatLayer(shown.heat) : null;
const outlines = regionLayer(shown.regions);
viewer.addHandler("open", () => {
  if (heat) viewer.addOverlay({ element: heat, location: whole });
  viewer.addOverlay({ element: outlines as unknown as HTMLElement, location: whole });
});

const strength = document.querySelector<HTMLInputElement>("#strength")!;
const applyStrength = (): void => heat?.style.setProperty("opacity", String(Number(strength.value) / 100));
strength.addEventListener("input", applyStrength);
applyStrength();

const switchRegions = document.querySelector<HTMLInputElement>("#regions")!;
switchRegions.addEventListener("change", () => outlines.style.setProperty("display", switchRegions.checked ? "" : "none"));

document.querySelectorAll<HTMLButtonElement>("[data-region]").forEach((button) => {
  button.addEventListener("click", () => {
    const region = shown.regions[Number(button.dataset.region)]!;
    const xs = region.polygon.map((point) => point[0]);
    const ys = region.polygon.map((point) => point[1]);
    const margin = 0.5 * Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
    const area = new OpenSeadragon.Rect(
      Math.min(...xs) - margin,
      Math.min(...ys) - margin,
      Math.max(...xs) - Math.min(...xs) + 2 * margin,
      Math.max(...ys) - Math.min(...ys) + 2 * margin,
    );
    viewer.viewport.fitBounds(viewer.viewport.imageToViewportRectangle(area));
    document.querySelectorAll("[data-region]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
  });
});
document.querySelector("#home")?.addEventListener("click", () => viewer.viewport.goHome());
viewer.addHandler("canvas-key", (event) => {
  const { originalEvent } = event as unknown as { originalEvent: KeyboardEvent };
  // its own keys, but not those of the browser
  if (originalEvent.ctrlKey || originalEvent.metaKey) (event as { preventDefaultAction: boolean }).preventDefaultAction = true;
});
addScaleBar(viewer, stage.parentElement!, widestOf(shown.slide).um);
