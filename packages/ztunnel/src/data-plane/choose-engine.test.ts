import { expect, test } from 'vitest';
import { chooseEngine } from './choose-engine.ts';

const LIMITS = { slabBytes: 16_777_216, descriptorLimit: 1000, records: 'own' } as const;

test('node is node', () => {
  expect(chooseEngine('node', LIMITS)).toMatchObject({ name: 'node', reason: '' });
});

test.each(['own', 'openssl'] as const)(
  'the reactor, where it passes its test of itself, with records: %s',
  (records) => {
    const { name, engine, reason } = chooseEngine('reactor', { ...LIMITS, records });
    expect([name, reason]).toEqual(['reactor', '']);
    if (name !== 'reactor') return;
    engine.turn(0);
    engine.close();
  },
);

test.each([
  { thrown: new Error(`${'x'.repeat(300)}\nmore`), reason: 'x'.repeat(200) },
  { thrown: new Error(''), reason: 'unknown' },
])('the reason is one line that fits a label', ({ thrown, reason }) => {
  const open = (): never => {
    throw thrown;
  };
  expect(chooseEngine('reactor', LIMITS, open)).toMatchObject({ name: 'node', reason });
});
