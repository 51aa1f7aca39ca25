// How many SMS segments a text takes: connectors/segments.py once more, for the line under the
// input. A browser test holds the two together.

const BASIC = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
  "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
const EXTENSION = new Set("\f^{}\\[~]|€");

export function count(text) {
  const characters = [...text];
  return characters.every((c) => BASIC.has(c) || EXTENSION.has(c))
    ? measure("GSM-7", characters.map((c) => (EXTENSION.has(c) ? 2 : 1)), 160, 153)
    : measure("UCS-2", characters.map((c) => c.length), 70, 67);
}

function measure(encoding, sizes, alone, linked) {
  const units = sizes.reduce((sum, size) => sum + size, 0);
  if (units <= alone) return { encoding, units, segments: 1, room: alone };
  let segments = 1;
  let used = 0;
  for (const size of sizes) {
    // A pair is never torn apart: what does not fit whole begins the next segment.
    if (used + size > linked) {
      segments += 1;
      used = 0;
    }
    used += size;
  }
  return { encoding, units, segments, room: segments * linked };
}
