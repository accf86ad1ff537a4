// Times, days, sizes and lists in words, by Intl and the language that is spoken.
import { language, locale } from "./words.svelte";

type Options = Intl.DateTimeFormatOptions;
const formats = new Map<string, Intl.DateTimeFormat>();

function format(name: string, options: Options): Intl.DateTimeFormat {
  const key = `${locale()} ${name}`;
  let made = formats.get(key);
  if (!made) formats.set(key, (made = new Intl.DateTimeFormat(locale(), options)));
  return made;
}

/** Days between two moments by the calendar of this computer: 0 today, 1 yesterday. */
export function daysAgo(at: Date, now: Date): number {
  const midnight = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  return Math.round((midnight(now) - midnight(at)) / 86_400_000);
}

/** 14:05 */
export function clock(at: string | Date): string {
  return format("clock", { hour: "numeric", minute: "2-digit" }).format(new Date(at));
}

/** In the list of chats: the time today, the weekday this week, the date before. */
export function shortMoment(at: string, now: Date): string {
  const then = new Date(at);
  const days = daysAgo(then, now);
  if (days <= 0) return clock(then);
  if (days === 1) return relativeDay(-1);
  if (days < 7) return format("weekday", { weekday: "short" }).format(then);
  if (then.getFullYear() === now.getFullYear())
    return format("date", { day: "numeric", month: "short" }).format(then);
  return format("year", { day: "2-digit", month: "2-digit", year: "2-digit" }).format(then);
}

/** On the line between two days of a conversation. */
export function dayName(at: string | Date, now: Date): string {
  const then = new Date(at);
  const days = daysAgo(then, now);
  if (days === 0 || days === 1) return relativeDay(-days);
  if (days > 1 && days < 7) return format("weekday-long", { weekday: "long" }).format(then);
  if (then.getFullYear() === now.getFullYear()) {
    return format("day", { weekday: "short", day: "numeric", month: "long" }).format(then);
  }
  return format("day-year", { day: "numeric", month: "long", year: "numeric" }).format(then);
}

/** Everything: for tooltips, details and those who listen. */
export function fullMoment(at: string | Date): string {
  return format("full", { dateStyle: "full", timeStyle: "short" }).format(new Date(at));
}

/** today, yesterday, as the language says it, with a capital where a line begins with it. */
function relativeDay(days: number): string {
  const said = new Intl.RelativeTimeFormat(language(), { numeric: "auto" }).format(days, "day");
  return said.charAt(0).toLocaleUpperCase(language()) + said.slice(1);
}

const UNITS: [number, Intl.RelativeTimeFormatUnit & string][] = [
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
  [1, "second"],
];

/** "5 minutes", "1 week": a length of time in its largest whole unit. */
export function duration(seconds: number): string {
  const weeks = seconds >= 604_800 && seconds % 604_800 === 0 && seconds < 30 * 86_400;
  const [size, unit] = weeks ? [604_800, "week"] : (UNITS.find(([length]) => seconds >= length) ?? UNITS[3]!);
  const value = Math.round(seconds / size);
  return new Intl.NumberFormat(language(), { style: "unit", unit, unitDisplay: "long" }).format(value);
}

/** "in 3 hours", "2 days ago". */
export function relative(at: string | Date, now: Date): string {
  const seconds = (new Date(at).getTime() - now.getTime()) / 1000;
  const [size, unit] = UNITS.find(([length]) => Math.abs(seconds) >= length) ?? UNITS[3]!;
  return new Intl.RelativeTimeFormat(language(), { numeric: "auto" }).format(
    Math.round(seconds / size),
    unit,
  );
}

/** "1.4 MB" */
export function bytes(count: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = count < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** step;
  return new Intl.NumberFormat(language(), {
    style: "unit",
    unit: units[step],
    unitDisplay: "short",
    maximumFractionDigits: value < 10 && step > 0 ? 1 : 0,
  }).format(value);
}

export function list(names: string[]): string {
  return new Intl.ListFormat(language(), { type: "conjunction" }).format(names);
}

export function numberInWords(value: number): string {
  return new Intl.NumberFormat(language()).format(value);
}
