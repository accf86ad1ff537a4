import fc from "fast-check";
import { expect, it } from "vitest";
import { BARS, barsOf, peakOf, spread } from "./waveform";

it("a recording of any length has at most 64 bars of a byte, the loudest full", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 5000 }),
      (peaks) => {
        const bars = barsOf(peaks);
        expect(bars.length).toBe(Math.min(BARS, peaks.length));
        expect(bars.every((bar) => Number.isInteger(bar) && bar >= 0 && bar <= 255)).toBe(true);
        if (Math.max(...peaks) > 0.05) expect(Math.max(...bars)).toBe(255);
      },
    ),
  );
});
it("silence stays low", () => expect(Math.max(...barsOf([0, 0.001, 0]))).toBeLessThan(20));
it("whatever others send is drawn", () => {
  fc.assert(
    fc.property(fc.array(fc.double()), fc.integer({ min: 1, max: 80 }), (waveform, count) => {
      const bars = spread(waveform, count);
      expect(bars.length).toBe(count);
      expect(bars.every((bar) => bar >= 0 && bar <= 1)).toBe(true);
    }),
  );
  expect(spread([0, 255], 3)).toEqual([0, 0.5, 1]);
});
it("louder samples have a higher peak", () => {
  expect(peakOf(Float32Array.of(0.5, -0.5))).toBeGreaterThan(peakOf(Float32Array.of(0.1, -0.1)));
  expect(peakOf(new Float32Array(0))).toBe(0);
});
