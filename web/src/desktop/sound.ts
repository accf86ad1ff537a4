/** Two soft notes, made here: nothing is loaded. Quiet until the person has pressed something, as browsers want it. */

let sound: AudioContext | null = null;
let last = -Infinity;
/** Many messages at once are one sound. */
const APART_S = 1.5;

export function chime(): void {
  sound ??= new AudioContext();
  const now = sound.currentTime;
  if (sound.state === "suspended") void sound.resume();
  if (now - last < APART_S) return;
  last = now;
  note(sound, 587.33, now, 0.05);
  note(sound, 880, now + 0.11, 0.04);
}

function note(context: AudioContext, frequency: number, at: number, loudness: number): void {
  const tone = context.createOscillator();
  const volume = context.createGain();
  tone.type = "sine";
  tone.frequency.value = frequency;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(loudness, at + 0.015);
  volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.5);
  tone.connect(volume).connect(context.destination);
  tone.start(at);
  tone.stop(at + 0.55);
}
