/** Loudness over time, for the eye: at most 64 bars of 0 to 255. Pure. */

export const BARS = 64;

/** From peaks (0 to 1) taken while recording: as many bars as there is something for, the loudest as high as it gets. */
export function barsOf(peaks: readonly number[]): number[] {
  const count = Math.min(BARS, peaks.length);
  if (count === 0) return [];
  const bars: number[] = [];
  for (let bar = 0; bar < count; bar++) {
    const from = Math.floor((bar * peaks.length) / count);
    const to = Math.max(from + 1, Math.floor(((bar + 1) * peaks.length) / count));
    bars.push(Math.max(...peaks.slice(from, to)));
  }
  const loudest = Math.max(...bars, 0.05);
  return bars.map((peak) => Math.round(255 * Math.min(1, Math.max(0, peak / loudest))));
}

/** What came with a message (from anybody), spread over as many bars as there is room for, each from 0 to 1. */
export function spread(waveform: readonly number[] | undefined, count: number): number[] {
  const known = (waveform ?? [])
    .slice(0, BARS)
    .map((bar) => (Number.isFinite(bar) ? Math.min(255, Math.max(0, bar)) / 255 : 0));
  if (known.length === 0) return new Array<number>(count).fill(0.25);
  return Array.from({ length: count }, (_, i) => {
    const at = (i * (known.length - 1)) / Math.max(1, count - 1);
    const low = known[Math.floor(at)] ?? 0;
    const high = known[Math.ceil(at)] ?? 0;
    return low + (high - low) * (at - Math.floor(at));
  });
}

/** The loudest of samples, as ears have it: half of the way is a quarter of the power. */
export function peakOf(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.min(1, Math.sqrt(Math.sqrt(sum / Math.max(1, samples.length))));
}
