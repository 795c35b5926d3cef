/** A scale bar in micrometres and the magnification it amounts to on an eyepiece. */
import { OpenSeadragon } from "./tiles";

const WIDEST_PX = 140;
const UM_PER_PX_AT_1X = 10; // convention: 40x is 0.25 micrometre per pixel

/** Keep the bar in `stage` right while the view moves; `um` is micrometres per pixel of the widest level. */
export function addScaleBar(viewer: OpenSeadragon.Viewer, stage: HTMLElement, um: number | null): void {
  if (!um) return;
  const bar = document.createElement("div");
  const words = document.createElement("span");
  bar.className = "scale";
  bar.append(words);
  stage.append(bar);
  const draw = (): void => {
    const image = viewer.world.getItemAt(0);
    if (!image) return;
    const umPerScreenPx = um / image.viewportToImageZoom(viewer.viewport.getZoom(true));
    const length = roundLength(WIDEST_PX * umPerScreenPx);
    bar.style.width = `${length / umPerScreenPx}px`;
    words.textContent = `${length >= 1000 ? `${length / 1000} mm` : `${length} µm`} · ${magnification(umPerScreenPx)}x`;
  };
  viewer.addHandler("update-viewport", draw);
  viewer.addHandler("open", draw);
}

/** The longest of 1, 2 or 5 times a power of ten that is not longer than `most`. */
function roundLength(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [5, 2, 1].find((it) => it * power <= most) ?? 1;
  return Number((step * power).toPrecision(1));
}

function magnification(umPerScreenPx: number): string {
  const times = UM_PER_PX_AT_1X / umPerScreenPx;
  return times >= 10 ? times.toFixed(0) : times.toPrecision(2);
}
