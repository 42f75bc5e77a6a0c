import type { ConnectionFailure } from '@ambientmesh/hbone';
import { systemFailure as failureOfName } from '@ambientmesh/hbone/engine';
import { errnoName } from '../native/system-call-error.ts';

/** Words of the kernel that only this engine needs. */
const OTHER_TEXTS: Readonly<Record<string, string>> = {
  ENOMEM: 'Cannot allocate memory (os error 12)',
  ENOBUFS: 'No buffer space available (os error 105)',
};

/** The failure that an errno stands for, in the words of hbone; `detail` is what to check. */
export function systemFailure(errno: number, detail?: string): ConnectionFailure {
  const code = errnoName(errno);
  const failure = failureOfName(code, OTHER_TEXTS[code] ?? `${code} (os error ${errno})`);
  return detail === undefined ? failure : { ...failure, detail };
}
