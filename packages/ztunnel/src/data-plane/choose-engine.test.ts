import { expect, test } from 'vitest';
import { chooseEngine } from './choose-engine.ts';

test('node is node', () => {
  expect(chooseEngine('node')).toMatchObject({ name: 'node', reason: '' });
});

test('a build without a reactor says so', () => {
  expect(chooseEngine('reactor')).toMatchObject({ name: 'node', reason: 'not built' });
});

test.each([
  { thrown: new Error(`${'x'.repeat(300)}\nmore`), reason: 'x'.repeat(200) },
  { thrown: new Error(''), reason: 'unknown' },
])('the reason is one line that fits a label', ({ thrown, reason }) => {
  const open = (): never => {
    throw thrown;
  };
  expect(chooseEngine('reactor', open)).toMatchObject({ name: 'node', reason });
});
