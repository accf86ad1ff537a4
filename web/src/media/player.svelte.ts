/**
 * What is being heard: one recording at a time in this window, and none while another window plays. When a voice note ends,
 * the next one of the same chat begins.
 */
import type { FileItem } from "../api/types";
import { sayError } from "../state/toasts.svelte";
import { held } from "./acts";
import { heard } from "./heard.svelte";

export const SPEEDS = [1, 1.5, 2] as const;

export interface Track {
  file: FileItem;
  chat: string;
  /** Its place in the chat. */
  n: number;
  mine: boolean;
}

class Player {
  file = $state<string | null>(null);
  playing = $state(false);
  /** Milliseconds. */
  at = $state(0);
  length = $state(0);
  speed = $state<number>(1);

  #sound: HTMLAudioElement | null = null;
  #track: Track | null = null;
  #letGo: (() => void) | null = null;
  #frame = 0;
  #tracks = new Map<string, Track>();
  #others = new BroadcastChannel("whimbrel-player");

  constructor() {
    this.#others.onmessage = () => this.pause();
  }

  /** Voice notes that are in sight; what is played goes on to the next of them. */
  register(track: Track): () => void {
    this.#tracks.set(track.file.id, track);
    return () => {
      if (this.#tracks.get(track.file.id) === track) this.#tracks.delete(track.file.id);
    };
  }

  async toggle(track: Track): Promise<void> {
    if (this.file !== track.file.id) await this.#begin(track);
    else if (this.playing) this.pause();
    else await this.#play();
  }

  pause(): void {
    this.#sound?.pause();
  }

  /** To a part of the recording, from 0 to 1; begins with it when another one is played. */
  async seek(track: Track, part: number): Promise<void> {
    if (this.file !== track.file.id) await this.#begin(track);
    const sound = this.#sound;
    if (!sound || this.length <= 0) return;
    sound.currentTime = (Math.min(1, Math.max(0, part)) * this.length) / 1000;
    this.at = sound.currentTime * 1000;
  }

  /** The next speed of 1, 1.5 and 2. */
  faster(): void {
    this.speed = SPEEDS[(SPEEDS.indexOf(this.speed as 1) + 1) % SPEEDS.length] ?? 1;
    if (this.#sound) this.#sound.playbackRate = this.speed;
  }

  stop(): void {
    this.#sound?.pause();
    this.#sound?.removeAttribute("src");
    this.#sound = null;
    this.#letGo?.();
    this.#letGo = null;
    this.#track = null;
    this.file = null;
    this.playing = false;
    cancelAnimationFrame(this.#frame);
  }

  async #begin(track: Track): Promise<void> {
    this.stop();
    this.file = track.file.id;
    this.#track = track;
    this.at = 0;
    this.length = track.file.media?.duration_ms ?? 0;
    const sound = new Audio();
    this.#sound = sound;
    sound.preservesPitch = true;
    sound.onplay = () => {
      this.playing = true;
      this.#others.postMessage("plays");
      this.#follow();
    };
    sound.onpause = () => (this.playing = false);
    sound.onended = () => this.#ended();
    sound.ondurationchange = () => {
      if (Number.isFinite(sound.duration) && sound.duration > 0) this.length = sound.duration * 1000;
    };
    try {
      sound.src = await new Promise<string>((resolve, reject) => {
        this.#letGo = held(track.file.id, resolve, () => reject(new Error("no bytes")));
      });
      if (this.#sound !== sound) return;
      await this.#play();
      heard.add(track);
    } catch (error) {
      if (this.#sound === sound) this.stop();
      // Stopped or changed before it began is nothing to be told.
      if (!(error instanceof DOMException && error.name === "AbortError")) sayError(error);
    }
  }

  async #play(): Promise<void> {
    if (!this.#sound) return;
    this.#sound.playbackRate = this.speed;
    await this.#sound.play();
  }

  #follow(): void {
    cancelAnimationFrame(this.#frame);
    const look = () => {
      if (!this.#sound || this.#sound.paused) return;
      this.at = this.#sound.currentTime * 1000;
      this.#frame = requestAnimationFrame(look);
    };
    look();
  }

  #ended(): void {
    const last = this.#track;
    this.stop();
    if (!last?.file.media?.voice) return;
    let next: Track | null = null;
    for (const track of this.#tracks.values()) {
      if (
        track.chat === last.chat &&
        track.n > last.n &&
        track.file.state === "here" &&
        (!next || track.n < next.n)
      )
        next = track;
    }
    if (next) void this.#begin(next);
  }
}

export const player = new Player();
