import { expect, test } from 'vitest';
import { awaitAll } from './await-all.ts';
import { IptablesError } from './errors.ts';
import { joinErrors } from './join-errors.ts';

const refused = new IptablesError('IPTABLES_RESTORE_FAILED', 'v4: line 3', { line: 3 });
const locked = new IptablesError('IPTABLES_LOCKED', 'v6: lock');
const reason = new Error('enough');

test.each([
  { of: 'one', reasons: [refused], joined: refused },
  { of: 'the same reason twice', reasons: [reason, reason], joined: reason },
])('the error of $of is that error', ({ reasons, joined }) => {
  expect(joinErrors(reasons)).toBe(joined);
});

test('several errors are one with the first code, all messages and all as cause', () => {
  const joined = joinErrors([reason, refused, locked]);
  expect(joined).toMatchObject({
    code: 'IPTABLES_RESTORE_FAILED',
    line: 3,
    message: 'enough; v4: line 3; v6: lock',
    cause: { errors: [reason, refused, locked] },
  });
  expect(joinErrors([reason, 'no'])).toMatchObject({ message: 'enough; no', errors: [reason, 'no'] });
});

test('a failure is told only when all have ended', async () => {
  const slow = Promise.withResolvers<string>();
  let told = false;
  const all = awaitAll([Promise.reject(refused), slow.promise]).catch((error: unknown) => {
    told = true;
    return error;
  });
  await new Promise(setImmediate);
  expect(told).toBe(false);
  slow.resolve('done');
  expect(await all).toBe(refused);
  expect(await awaitAll([Promise.resolve(1), Promise.resolve(2)])).toEqual([1, 2]);
});
