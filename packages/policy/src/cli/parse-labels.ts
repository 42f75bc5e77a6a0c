import { invalidCommand } from './parse-options.ts';

/** Labels of a workload as `app=a,tier=x`; the empty text is none. Throws POLICY_COMMAND_INVALID. */
export function parseLabels(option: string, text: string): Readonly<Record<string, string>> {
  const labels = new Map<string, string>();
  for (const label of text.split(',')) {
    if (text === '') break;
    const [, name, value] = /^([^=]+)=([^=]*)$/.exec(label) ?? [];
    if (name === undefined || value === undefined)
      throw invalidCommand(`${option} ${JSON.stringify(text)}: want labels such as app=web,tier=front`);
    if (labels.has(name)) throw invalidCommand(`${option} ${JSON.stringify(text)}: ${name} is there twice`);
    labels.set(name, value);
  }
  return Object.fromEntries(labels);
}
