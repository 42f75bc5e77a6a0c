/** What is undefined is left out, as types with exact optional properties want it. */
export function present<T extends object>(fields: { readonly [K in keyof T]: T[K] | undefined }): T;
export function present(fields: object): object {
  const kept: { [name: string]: unknown } = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) kept[name] = value;
  return kept;
}
