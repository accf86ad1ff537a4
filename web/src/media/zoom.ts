/** How a picture lies in its frame: how large, and how far it was moved. Pure. */

export interface Lie {
  /** 1: as large as fits. */
  scale: number;
  x: number;
  y: number;
}
export interface Sides {
  width: number;
  height: number;
}

export const FITS: Lie = { scale: 1, x: 0, y: 0 };
export const LARGEST = 8;

/** Larger or smaller by a factor, with what is under the point (from the middle of the frame) staying there. */
export function zoomed(
  lie: Lie,
  factor: number,
  at: { x: number; y: number },
  picture: Sides,
  frame: Sides,
): Lie {
  const scale = Math.min(LARGEST, Math.max(1, lie.scale * factor));
  const by = scale / lie.scale;
  return kept({ scale, x: at.x - (at.x - lie.x) * by, y: at.y - (at.y - lie.y) * by }, picture, frame);
}

export function moved(lie: Lie, x: number, y: number, picture: Sides, frame: Sides): Lie {
  return kept({ scale: lie.scale, x: lie.x + x, y: lie.y + y }, picture, frame);
}

/** Never so far that its edge leaves the frame's. `picture`: its sides at scale 1. */
function kept(lie: Lie, picture: Sides, frame: Sides): Lie {
  const room = (side: number, of: number) => Math.max(0, (side * lie.scale - of) / 2);
  const within = (value: number, most: number) => Math.min(most, Math.max(-most, value)) + 0;
  return {
    scale: lie.scale,
    x: within(lie.x, room(picture.width, frame.width)),
    y: within(lie.y, room(picture.height, frame.height)),
  };
}
