// How one text of the catalogue becomes what is shown: the plural form, and the values in it.

export type Forms = string | Partial<Record<Intl.LDMLPluralRule, string>>;
export type Values = Record<string, string | number>;

const rules = new Map<string, Intl.PluralRules>();
const numbers = new Map<string, Intl.NumberFormat>();

export function formatted(form: Forms, values: Values, language: string): string {
  const text = typeof form === "string" ? form : chosen(form, Number(values["count"] ?? 0), language);
  if (!text.includes("{")) return text;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? number(value, language) : isolated(value, language);
  });
}

export function number(value: number, language: string): string {
  let format = numbers.get(language);
  if (!format) numbers.set(language, (format = new Intl.NumberFormat(language)));
  return format.format(value);
}

function chosen(forms: Exclude<Forms, string>, count: number, language: string): string {
  let rule = rules.get(language);
  if (!rule) rules.set(language, (rule = new Intl.PluralRules(language)));
  return forms[rule.select(count)] ?? forms.other ?? "";
}

const RIGHT_TO_LEFT_LETTERS = /[\u0590-\u08ff\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff]/;
const RIGHT_TO_LEFT_LANGUAGES = /^(fa|ar|he|ur)\b/;

/** A value never turns the sentence around it: isolated when it could (Unicode's FSI and PDI). */
function isolated(value: string, language: string): string {
  if (!RIGHT_TO_LEFT_LETTERS.test(value) && !RIGHT_TO_LEFT_LANGUAGES.test(language)) return value;
  const unbalanced = value.replace(/[\u202a-\u202e\u2066-\u2069]/g, "");
  return `\u2068${unbalanced}\u2069`;
}
