/** A DICOM slide as an OpenSeadragon tile source: levels of any ratio, tiles as the site serves them. */
import OpenSeadragon from "openseadragon";

export interface Level {
  sop: string;
  width: number;
  height: number;
  tile_width: number;
  tile_height: number;
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
export function openViewer(element: HTMLElement, source: OpenSeadragon.TileSource): OpenSeadragon.Viewer {
  return OpenSeadragon({
    element,
    tileSources: [source],
    showNavigationControl: false,
    drawer: "canvas",
    imageLoaderLimit: 8,
    maxZoomPixelRatio: 4,
    animationTime: 0.3,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
  } as OpenSeadragon.Options);
}

/** The slide's facts, from the page that embeds them. */
export function embedded<T>(id: string): T {
  return JSON.parse(document.getElementById(id)!.textContent ?? "null") as T;
}

export { OpenSeadragon };
