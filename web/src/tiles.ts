/** A DICOM slide as an OpenSeadragon tile source: levels of any ratio, tiles as the site serves them. */
import OpenSeadragon from "openseadragon";

export interface Level {
  sop: string;
  width: number;
  height: number;
  tile_width: number;
  tile_height: number;
  um: number | null; // micrometres per pixel, where the image says so
}

export interface Slide {
  study: string;
  series: string;
  levels: Level[]; // widest first
}

/** The tile source; `levels` of the slide may come in any order. */
export function tileSource(slide: Slide): OpenSeadragon.TileSource {
  const levels = [...slide.levels].sort((a, b) => a.width - b.width);
  const base = levels[levels.length - 1]!;
  const at = (index: number): Level => levels[Math.max(0, Math.min(levels.length - 1, index))]!;
  const source = new OpenSeadragon.TileSource({
    width: base.width,
    height: base.height,
    tileSize: base.tile_width,
    tileOverlap: 0,
    minLevel: 0,
    maxLevel: levels.length - 1,
  } as OpenSeadragon.TileSourceOptions);
  source.getLevelScale = (level) => at(level).width / base.width;
  source.getNumTiles = (level) =>
    new OpenSeadragon.Point(Math.ceil(at(level).width / at(level).tile_width), Math.ceil(at(level).height / at(level).tile_height));
  source.getTileWidth = (level) => at(level).tile_width;
  source.getTileHeight = (level) => at(level).tile_height;
  source.getTileUrl = (level, x, y) => `/studies/${slide.study}/tiles/${at(level).sop}/${x}/${y}`;
  return source;
}

/** A viewer without the parts that need inline styles or icons from elsewhere. */
export function openViewer(
  element: HTMLElement,
  source: OpenSeadragon.TileSource,
  options: Partial<OpenSeadragon.Options> = {},
): OpenSeadragon.Viewer {
  forgoInlineStyle();
  return OpenSeadragon({
    element,
    tileSources: [source],
    showNavigationControl: false,
    ...options,
    drawer: "canvas",
    imageLoaderLimit: 8,
    maxZoomPixelRatio: 4,
    animationTime: 0.3,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
  } as OpenSeadragon.Options);
}

/** OpenSeadragon adds a style element to the page, which the policy forbids, unless it finds one with its mark. Ours is of
 * another namespace: it bears the mark and is no style sheet. The rule itself is in aegle.css. */
function forgoInlineStyle(): void {
  const mark = document.createElementNS("urn:aegle:mark", "style");
  mark.setAttribute("data-openseadragon-mobile-css", "true");
  document.head.append(mark);
}

/** The widest level: coordinates of marks and regions are its pixels. */
export function widestOf(slide: Slide): Level {
  return [...slide.levels].sort((a, b) => b.width - a.width)[0]!;
}

/** The slide's facts, from the page that embeds them. */
export function embedded<T>(id: string): T {
  return JSON.parse(document.getElementById(id)!.textContent ?? "null") as T;
}

export { OpenSeadragon };
