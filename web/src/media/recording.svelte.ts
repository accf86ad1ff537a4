/** A voice note while it is made: one at a time in this window. The microphone is let go of as soon as it is not needed. */
import { barsOf, peakOf } from "./waveform";

export type Stage =
  "none" | "asking" | "recording" | "paused" | "ready" | "refused" | "no-microphone" | "failed";

const KINDS = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4;codecs=opus", "audio/mp4"];
const PEAK_EVERY_MS = 50;
const BITS_PER_SECOND = 32_000;
export const LONGEST_MS = 60 * 60 * 1000;
/** Shown while recording; the newest at the end. */
const SHOWN_PEAKS = 48;

export class Recording {
  stage = $state<Stage>("none");
  /** Milliseconds that were recorded, without pauses. */
  length = $state(0);
  recent = $state.raw<number[]>([]);
  blob = $state.raw<Blob | null>(null);

  #recorder: MediaRecorder | null = null;
  #stream: MediaStream | null = null;
  #sound: AudioContext | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #parts: Blob[] = [];
  #peaks: number[] = [];
  #before = 0;
  #since = 0;
  #ended: (() => void) | null = null;

  get media(): { voice: true; duration_ms: number; waveform: number[] } {
    return { voice: true, duration_ms: Math.round(this.length), waveform: barsOf(this.#peaks) };
  }

  get waveform(): number[] {
    return barsOf(this.#peaks);
  }

  async start(): Promise<void> {
    if (this.stage === "asking" || this.stage === "recording") return;
    this.cancel();
    this.stage = "asking";
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      });
      if ((this.stage as Stage) !== "asking") {
        // Cancelled while it was asked.
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      this.#stream = stream;
      this.#record(stream);
    } catch (error) {
      const name = error instanceof DOMException ? error.name : "";
      this.cancel();
      this.stage =
        name === "NotAllowedError" ? "refused" : name === "NotFoundError" ? "no-microphone" : "failed";
    }
  }

  pause(): void {
    if (this.stage !== "recording") return;
    this.#recorder?.pause();
    this.#before = this.length;
    this.stage = "paused";
  }

  resume(): void {
    if (this.stage !== "paused") return;
    this.#recorder?.resume();
    this.#since = performance.now();
    this.stage = "recording";
  }

  /** Ends it; then it can be heard, sent or thrown away. */
  async finish(): Promise<Blob | null> {
    if (this.stage === "ready") return this.blob;
    const recorder = this.#recorder;
    if (!recorder || recorder.state === "inactive") return null;
    const ended = new Promise<void>((resolve) => (this.#ended = resolve));
    recorder.stop();
    await ended;
    return this.blob;
  }

  cancel(): void {
    const recorder = this.#recorder;
    this.#recorder = null;
    if (recorder && recorder.state !== "inactive") recorder.stop();
    this.#release();
    this.#parts = [];
    this.#peaks = [];
    this.#before = 0;
    this.length = 0;
    this.recent = [];
    this.blob = null;
    this.stage = "none";
  }

  #record(stream: MediaStream): void {
    const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
    const recorder = new MediaRecorder(stream, {
      ...(mimeType ? { mimeType } : {}),
      audioBitsPerSecond: BITS_PER_SECOND,
    });
    this.#recorder = recorder;
    recorder.ondataavailable = ({ data }) => {
      if (recorder === this.#recorder && data.size > 0) this.#parts.push(data);
    };
    recorder.onstop = () => {
      this.#release();
      if (recorder !== this.#recorder) return;
      this.blob = new Blob(this.#parts, { type: recorder.mimeType });
      this.stage = "ready";
      this.#ended?.();
      this.#ended = null;
    };
    const sound = new AudioContext();
    this.#sound = sound;
    const analyser = sound.createAnalyser();
    analyser.fftSize = 1024;
    sound.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    recorder.start(1000);
    this.#since = performance.now();
    this.stage = "recording";
    this.#timer = setInterval(() => {
      if (this.stage !== "recording") return;
      analyser.getFloatTimeDomainData(samples);
      const peak = peakOf(samples);
      this.#peaks.push(peak);
      this.recent = [...this.recent, peak].slice(-SHOWN_PEAKS);
      this.length = this.#before + performance.now() - this.#since;
      if (this.length >= LONGEST_MS) void this.finish();
    }, PEAK_EVERY_MS);
  }

  #release(): void {
    clearInterval(this.#timer);
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    void this.#sound?.close();
    this.#sound = null;
  }
}
