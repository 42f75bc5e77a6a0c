import { NetnsError } from '@ambientmesh/netns';
import { expect, test } from 'vitest';
import { describeStartFailure } from './start-failure.ts';

const debug = 'Bind([::]:15008, Os { code: 98, kind: AddrInUse, message: "Address already in use" })';
const display = 'failed to bind to address [::]:15008: Address already in use (os error 98)';
const fields = {
  operation: 'bind',
  address: '[::]:15008',
  errno: 'EADDRINUSE',
  errnoNumber: 98,
  reason: 'Address already in use',
};

test.each([
  { name: 'a failed bind', error: new NetnsError('NETNS_ADDRESS_IN_USE', 'x', fields), failure: { debug, display } },
  { name: 'its plain fields', error: fields, failure: { debug, display } },
  { name: 'a message in that form', error: new Error(debug), failure: { debug, display } },
  {
    name: 'another message',
    error: new Error('no certificate'),
    failure: { debug: 'no certificate', display: 'no certificate' },
  },
  { name: 'no error at all', error: 'text', failure: { debug: 'text', display: 'text' } },
  {
    name: 'another failed call',
    error: new NetnsError('NETNS_PERMISSION', 'setns in netns 1: EPERM', {
      operation: 'setns',
      errno: 'EPERM',
      errnoNumber: 1,
    }),
    failure: { debug: 'setns in netns 1: EPERM', display: 'setns in netns 1: EPERM' },
  },
])('$name', ({ error, failure }) => {
  expect(describeStartFailure(error)).toEqual(failure);
});
