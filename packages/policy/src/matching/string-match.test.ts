import { expect, test } from 'vitest';
import type { StringMatch } from '../policy.ts';
import { matchesText } from './string-match.ts';

test.each<[StringMatch, string, boolean]>([
  [{ kind: 'exact', value: 'foo' }, 'foo', true],
  [{ kind: 'exact', value: 'foo' }, 'not', false],
  [{ kind: 'exact', value: 'foo' }, '', false],
  [{ kind: 'exact', value: 'foo' }, 'Foo', false],
  [{ kind: 'exact', value: 'foo' }, 'foobar', false],
  [{ kind: 'prefix', value: 'foo' }, 'foobar', true],
  [{ kind: 'prefix', value: 'foo' }, 'notfoo', false],
  [{ kind: 'prefix', value: 'foo' }, '', false],
  [{ kind: 'prefix', value: 'foo' }, 'foo', true],
  [{ kind: 'prefix', value: 'foo' }, 'goo', false],
  [{ kind: 'prefix', value: 'foo' }, 'fo', false],
  [{ kind: 'prefix', value: '' }, '', true],
  [{ kind: 'prefix', value: '' }, 'foo', true],
  [{ kind: 'suffix', value: 'foo' }, 'barfoo', true],
  [{ kind: 'suffix', value: 'foo' }, 'foonot', false],
  [{ kind: 'suffix', value: 'foo' }, '', false],
  [{ kind: 'suffix', value: '' }, '', true],
  [{ kind: 'presence' }, 'foo', true],
  [{ kind: 'presence' }, '', false],
])('spec policy.md 7.5: %j and %j', (pattern, text, expected) => {
  expect(matchesText(pattern, text)).toBe(expected);
});
