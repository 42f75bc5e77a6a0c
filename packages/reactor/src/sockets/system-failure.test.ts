import { expect, test } from 'vitest';
import { systemFailure } from './system-failure.ts';

test.each([
  { errno: 104, code: 'ECONNRESET', message: 'Connection reset by peer (os error 104)' },
  { errno: 32, code: 'EPIPE', message: 'Broken pipe (os error 32)' },
  { errno: 105, code: 'ENOBUFS', message: 'No buffer space available (os error 105)' },
  { errno: 12, code: 'ENOMEM', message: 'Cannot allocate memory (os error 12)' },
  { errno: 74, code: 'EBADMSG', message: 'EBADMSG (os error 74)' },
])('errno $errno is $message', ({ errno, ...failure }) => {
  expect(systemFailure(errno)).toEqual(failure);
  expect(systemFailure(errno, 'check it')).toEqual({ ...failure, detail: 'check it' });
});
