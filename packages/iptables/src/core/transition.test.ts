import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AMBIENT_POD_OWNERSHIP, compareOwned, extractOwned } from './ownership.ts';
import { parseSave } from './parse-save.ts';
import { renderTransition } from './transition.ts';

const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../../fixtures', name), 'utf8');
const owned = (text: string) => extractOwned(parseSave(text, 'ipv4'), AMBIENT_POD_OWNERSHIP);
const wanted = owned(fixture('tproxy.v4.save'));
const listing = fixture('tproxy.v4.save');
const JUMP = '-A PREROUTING -j ISTIO_PRERT\n';
const PROBE = '-A ISTIO_PRERT -s 169.254.7.127/32 -p tcp -m tcp -j ACCEPT\n';

test.each([
  { change: 'none', text: listing, differences: [] },
  { change: 'foreign rules', text: listing.replace(JUMP, `-A PREROUTING -j DROP\n${JUMP}`), differences: [] },
  {
    change: 'jump gone',
    text: listing.replace(JUMP, ''),
    differences: ['mangle: missing -A PREROUTING -j ISTIO_PRERT'],
  },
  {
    change: 'jump twice',
    text: listing.replace(JUMP, JUMP + JUMP),
    differences: ['mangle: extra -A PREROUTING -j ISTIO_PRERT'],
  },
  { change: 'rule gone', text: listing.replace(PROBE, ''), differences: [`mangle: missing ${PROBE.trim()}`] },
  {
    change: 'order',
    text: listing.replace(PROBE, '').replace('COMMIT\n*nat', `${PROBE}COMMIT\n*nat`),
    differences: ['mangle: chain ISTIO_PRERT out of order'],
  },
  {
    change: 'extra chain',
    text: listing.replace('*nat\n', '*nat\n:ISTIO_PRERT -\n-A ISTIO_PRERT -j DROP\n'),
    differences: ['nat: extra chain ISTIO_PRERT', 'nat: extra -A ISTIO_PRERT -j DROP'],
  },
])('differences: $change', ({ text, differences }) => {
  expect(compareOwned(owned(text), wanted)).toEqual(differences);
});

test('only the table that differs is mentioned, and refilled', () => {
  const text = renderTransition(owned(listing.replace(PROBE, '')), wanted);
  expect(text).toMatch(/^\* mangle\n:ISTIO_OUTPUT - \[0:0\]\n:ISTIO_PRERT - \[0:0\]\n-A ISTIO_OUTPUT /);
  expect(text).toContain(PROBE);
  expect(text).not.toMatch(/nat|raw|-D|-X| -j ISTIO/);
});

test('removing takes jumps, contents and chains, from conditional jumps too', () => {
  const current = owned(
    '*nat\n:ISTIO_OUTPUT -\n-A OUTPUT -j DROP\n-A OUTPUT -p tcp -j ISTIO_OUTPUT\n-A ISTIO_OUTPUT -j DROP\nCOMMIT\n',
  );
  expect(renderTransition(current, owned(''))).toBe(
    '* nat\n-D OUTPUT -p tcp -j ISTIO_OUTPUT\n-F ISTIO_OUTPUT\n-X ISTIO_OUTPUT\nCOMMIT\n',
  );
});

test('undoing puts jumps back where they were', () => {
  const before = owned('*nat\n:ISTIO_OUTPUT -\n-A OUTPUT -j DROP\n-A OUTPUT -p tcp -j ISTIO_OUTPUT\nCOMMIT\n');
  expect(renderTransition(owned(''), before, 'original')).toBe(
    '* nat\n:ISTIO_OUTPUT - [0:0]\n-I OUTPUT 2 -p tcp -j ISTIO_OUTPUT\nCOMMIT\n',
  );
});
