/** Draws boxes and points over the slide on one canvas: tens of thousands stay smooth, nothing is kept per mark in the page. */
import { OpenSeadragon } from "./tiles";

export interface Mark {
  label_id: string;
  subject: "slide" | "region";
  code: string;
  shape: "none" | "point" | "box";
  points: [number, number][]; // pixels of the widest level
}

type Corner = [number, number];
const POINT_RADIUS = 7; // screen pixels
const CROSS = 14; // screen pixels, half of the crosshair
const MOST_WORDED = 400; // beyond so many marks in sight their codes would only hide the slide

export class MarkLayer {
  private readonly canvas = document.createElement("canvas");
  private readonly pen: CanvasRenderingContext2D;
  private marks: Mark[] = [];
  private current: string | null = null;
  private draft: [Corner, Corner] | null = null;
  private aims = false;
  private hidden = false;

  constructor(
    private readonly viewer: OpenSeadragon.Viewer,
    private readonly colour: (code: string) => string,
  ) {
    this.canvas.className = "overlay";
    this.canvas.setAttribute("aria-hidden", "true");
    viewer.canvas.append(this.canvas);
    this.pen = this.canvas.getContext("2d")!;
    viewer.addHandler("update-viewport", () => this.draw());
    viewer.addHandler("resize", () => this.draw());
  }

  /** Replace what is shown; `current` is drawn filled. */
  show(marks: Mark[], current: string | null): void {
    this.marks = marks;
    this.current = current;
    this.draw();
  }

  /** A box being drawn, or none. */
  sketch(corners: [Corner, Corner] | null): void {
    this.draft = corners;
    this.draw();
  }

  /** Whether a crosshair stands in the middle of the view: where the keyboard draws. */
  aim(on: boolean): void {
    this.aims = on;
    this.draw();
  }

  /** Hide every mark, or show them again; answers whether they are hidden now. */
  toggle(): boolean {
    this.hidden = !this.hidden;
    this.draw();
    return this.hidden;
  }

  /** The smallest mark at a point of the image. */
  at(point: Corner): Mark | undefined {
    const reach = POINT_RADIUS / this.scale();
    const hit = this.marks.filter((mark) => {
      const [[x0, y0], [x1, y1]] = MarkLayer.corners(mark);
      return point[0] >= x0 - reach && point[0] <= x1 + reach && point[1] >= y0 - reach && point[1] <= y1 + reach;
    });
    const size = (mark: Mark): number => {
      const [[x0, y0], [x1, y1]] = MarkLayer.corners(mark);
      return (x1 - x0) * (y1 - y0);
    };
    return hit.sort((a, b) => size(a) - size(b))[0];
  }

  /** Upper left and lower right corner; the same for a point. */
  static corners(mark: Mark): [Corner, Corner] {
    const first = mark.points[0] ?? [0, 0];
    return [first, mark.points[1] ?? first];
  }

  private scale(): number {
    const image = this.viewer.world.getItemAt(0);
    return image ? image.viewportToImageZoom(this.viewer.viewport.getZoom(true)) : 1;
  }

  private fit(): number {
    const ratio = devicePixelRatio || 1;
    const width = Math.round(this.viewer.container.clientWidth * ratio);
    const height = Math.round(this.viewer.container.clientHeight * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.canvas.style.width = `${this.viewer.container.clientWidth}px`;
      this.canvas.style.height = `${this.viewer.container.clientHeight}px`;
    }
    return ratio;
  }

  private draw(): void {
    const image = this.viewer.world.getItemAt(0);
    if (!image) return;
    const ratio = this.fit();
    const origin = this.viewer.viewport.imageToViewerElementCoordinates(new OpenSeadragon.Point(0, 0));
    const scale = this.scale() * ratio;
    const place = (corner: Corner): Corner => [origin.x * ratio + corner[0] * scale, origin.y * ratio + corner[1] * scale];
    this.pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.pen.lineWidth = 2 * ratio;
    this.pen.font = `600 ${11 * ratio}px system-ui, sans-serif`;
    const seen = this.hidden ? [] : this.marks.filter((mark) => this.isSeen(MarkLayer.corners(mark).map(place) as [Corner, Corner]));
    for (const mark of seen) this.drawMark(mark, place, ratio, seen.length <= MOST_WORDED);
    if (this.draft) this.drawBox(this.draft.map(place) as [Corner, Corner], "#0b5cad", true);
    if (this.aims) this.drawCross(ratio);
  }

  private isSeen([from, to]: [Corner, Corner]): boolean {
    const margin = 40;
    const { width, height } = this.canvas;
    return to[0] > -margin && to[1] > -margin && from[0] < width + margin && from[1] < height + margin;
  }

  private drawCross(ratio: number): void {
    const [x, y, reach] = [this.canvas.width / 2, this.canvas.height / 2, CROSS * ratio];
    for (const [width, colour] of [[4 * ratio, "#fff"], [1.5 * ratio, "#0b5cad"]] as const) {
      this.pen.beginPath();
      this.pen.moveTo(x - reach, y);
      this.pen.lineTo(x + reach, y);
      this.pen.moveTo(x, y - reach);
      this.pen.lineTo(x, y + reach);
      this.pen.lineWidth = width;
      this.pen.strokeStyle = colour;
      this.pen.stroke();
    }
  }

  private drawWord(word: string, [x, y]: Corner, colour: string, ratio: number): void {
    const [pad, height] = [3 * ratio, 14 * ratio];
    this.pen.fillStyle = "rgba(255, 255, 255, .85)";
    this.pen.fillRect(x, y - height - ratio, this.pen.measureText(word).width + 2 * pad, height);
    this.pen.fillStyle = colour;
    this.pen.fillText(word, x + pad, y - 4 * ratio);
  }

  private drawMark(mark: Mark, place: (corner: Corner) => Corner, ratio: number, worded: boolean): void {
    const colour = this.colour(mark.code);
    const corners = MarkLayer.corners(mark).map(place) as [Corner, Corner];
    if (worded) this.drawWord(mark.code, mark.shape === "box" ? corners[0] : [corners[0][0] + 6 * ratio, corners[0][1] - 6 * ratio], colour, ratio);
    if (mark.shape === "box") return this.drawBox(corners, colour, mark.label_id === this.current);
    this.pen.beginPath();
    this.pen.arc(corners[0][0], corners[0][1], POINT_RADIUS * ratio, 0, 2 * Math.PI);
    this.pen.strokeStyle = colour;
    this.pen.stroke();
    if (mark.label_id === this.current) {
      this.pen.fillStyle = colour;
      this.pen.fill();
    }
  }

  private drawBox([from, to]: [Corner, Corner], colour: string, filled: boolean): void {
    this.pen.strokeStyle = colour;
    this.pen.strokeRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
    if (!filled) return;
    this.pen.globalAlpha = 0.2;
    this.pen.fillStyle = colour;
    this.pen.fillRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
    this.pen.globalAlpha = 1;
  }
}
