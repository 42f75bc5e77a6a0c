import { SpiffeError } from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';

test('an error keeps name, code and cause', () => {
  const cause = new Error('inner');
  const error = new SpiffeError('SPIFFE_CSR_INVALID', 'text', { cause });
  expect(error).toMatchObject({ name: 'SpiffeError', code: 'SPIFFE_CSR_INVALID', message: 'text', cause });
});
