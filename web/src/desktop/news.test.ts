import { describe, expect, it } from "vitest";
import type { ChatItem, MessageItem } from "../api/types";
import { isNews, told, type Words } from "./news";

const words: Words = {
  new_one: () => "New message",
  news: (count) => `${count} new`,
  in_group: (name, text) => `${name}: ${text}`,
  what: (kind) => `[${kind}]`,
};
const chat = (more: Partial<ChatItem> = {}) =>
  ({
    id: "c1",
    name: "Ada",
    kind: "pair",
    standing: "open",
    muted: false,
    archived: false,
    ...more,
  }) as ChatItem;
const message = (more: Partial<MessageItem> = {}) =>
  ({
    id: "m1",
    chat: "c1",
    n: 5,
    sender: "Ada",
    person: "ada",
    mine: false,
    text: "The *secret* plan",
    state: "delivered",
    deleted: false,
    files: [],
    mentions: [],
    ...more,
  }) as MessageItem;

describe("what is told", () => {
  it("is nothing of the message and nobody's name, unless one chose so", () => {
    const one = told(message(), chat(), 3, "that", words)!;
    expect(JSON.stringify(one)).not.toMatch(/Ada|secret|plan|c1/);
    expect(one).toEqual({ title: "Whimbrel", body: "3 new", tag: "whimbrel" });
  });
  it("is who, not what", () => {
    const one = told(message(), chat(), 1, "who", words)!;
    expect(one.title).toBe("Ada");
    expect(JSON.stringify(one)).not.toMatch(/secret|plan/);
  });
  it("is what, without marks; in groups with who", () => {
    expect(told(message(), chat(), 1, "what", words)?.body).toBe("The secret plan");
    expect(told(message(), chat({ kind: "group", name: "Club" }), 1, "what", words)).toMatchObject({
      title: "Club",
      body: "Ada: The secret plan",
    });
  });
  it("is nothing at all", () => expect(told(message(), chat(), 1, "off", words)).toBe(null));
  it("is the kind of a file, when nothing was written", () => {
    const file = {
      id: "f",
      name: "x",
      size: 1,
      type: "image/png",
      state: "here" as const,
      done: 1,
      description: "",
    };
    expect(told(message({ text: "", files: [file] }), chat(), 1, "what", words)?.body).toBe("[picture]");
  });
  it("is one line that does not turn the order round", () => {
    const one = told(message({ text: "a\nb\u202ec" }), chat({ name: "A\u202eda\n" }), 1, "what", words)!;
    expect(one.body + one.title).not.toMatch(/[\n\u202e]/);
  });
});

describe("news", () => {
  it.each([
    [message(), chat(), true],
    [message({ mine: true }), chat(), false],
    [message({ state: "read" }), chat(), false],
    [message({ deleted: true }), chat(), false],
    [message(), chat({ muted: true }), false],
    [message(), chat({ archived: true }), false],
    [message(), chat({ standing: "blocked" }), false],
    [message(), undefined, false],
    [
      message({ mentions: [{ start: 0, length: 3, person: "me" }] }),
      chat({ muted: true, kind: "group" }),
      true,
    ],
    [message({ mentions: [{ start: 0, length: 3, person: "me" }] }), chat({ muted: true }), false],
  ])("%#", (one, where, is) => expect(isNews(one, where, "me")).toBe(is));
});
