/** A pen on a grid of 28 x 28 pixels from 0 to 255, as MNIST has them; pure functions. */

export const SIDE = 28;
const RADIUS = 1.1; // of the pen, in pixels; MNIST's strokes are two to three pixels wide

/** Darken, in place, the pixels that a stroke between two points touches; a pixel's middle is at its index plus 0.5. */
export function stroke(pixels, from, to) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length2 = dx * dx + dy * dy || 1;
  for (let i = 0; i < pixels.length; i++) {
    const [x, y] = [(i % SIDE) + 0.5, Math.floor(i / SIDE) + 0.5];
    const along = Math.min(1, Math.max(0, ((x - from.x) * dx + (y - from.y) * dy) / length2));
    const distance = Math.hypot(x - from.x - along * dx, y - from.y - along * dy);
    const ink = Math.min(1, Math.max(0, RADIUS + 0.5 - distance));
    pixels[i] = Math.max(pixels[i], Math.round(255 * ink));
  }
}

/** The same drawing with its centre of mass in the middle, as MNIST's digits have it; ink that leaves the grid is lost. */
export function centred(pixels) {
  let [mass, right, down] = [0, 0, 0];
  pixels.forEach((ink, i) => {
    mass += ink;
    right += ink * (i % SIDE);
    down += ink * Math.floor(i / SIDE);
  });
  const moved = new Uint8Array(pixels.length);
  if (!mass) return moved;
  const [dx, dy] = [right, down].map((moment) => Math.round(SIDE / 2 - moment / mass));
  pixels.forEach((ink, i) => {
    const [x, y] = [(i % SIDE) + dx, Math.floor(i / SIDE) + dy];
    if (x >= 0 && x < SIDE && y >= 0 && y < SIDE) moved[y * SIDE + x] = ink;
  });
  return moved;
}
