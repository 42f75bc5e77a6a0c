import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readMessage } from './read-message.ts';
import { renderMessage } from './render-message.ts';

interface Push {
  readonly authorization?: {
    readonly resources: readonly { readonly name: string; readonly message: unknown }[];
  } | null;
}
interface Recording {
  readonly initial?: Push;
  readonly steps?: readonly Push[];
}

const FOLDER = join(import.meta.dirname, '../../fixtures/conversion/xds');

/** With the names of the .proto file, as recordings have them. */
function withProtoNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withProtoNames);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inside]) => [
      key === 'serviceAccount' ? key : key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      withProtoNames(inside),
    ]),
  );
}

test.each(globSync('*/expected.json', { cwd: FOLDER }).toSorted())(
  'what the reference sent is read and rendered: %s',
  (file) => {
    const { initial, steps }: Recording = JSON.parse(readFileSync(join(FOLDER, file), 'utf8'));
    const pushes = [...(initial === undefined ? [] : [initial]), ...(steps ?? [])];
    for (const { message } of pushes.flatMap(({ authorization }) => authorization?.resources ?? []))
      expect(withProtoNames(renderMessage(readMessage(message)))).toEqual(message);
  },
);
