import { closeDescriptor } from './descriptors.ts';
import { AF_INET, SOCK_CLOEXEC, SOCK_STREAM } from './kernel-constants.ts';
import { Namespace } from './namespace.ts';
import { checked, native } from './native.ts';
import { MARK, setOption, TRANSPARENT } from './socket-options.ts';

/** For each ability, true or the reason why this process does not have it. */
export interface Capabilities {
  /** Entering a network namespace. */
  readonly setns: true | string;
  /** Marking packets. */
  readonly mark: true | string;
  /** Foreign addresses on sockets. */
  readonly transparent: true | string;
}

/** Any mark will do for the probe; this is the default of the reference proxy. */
const PROBE_MARK = 1337;

/** Tries, in the calling thread's own namespace, what a node proxy needs. Never throws, also not on other systems than Linux. */
export function probeCapabilities(): Capabilities {
  return {
    setns: attempt(() => {
      const namespace = Namespace.current();
      try {
        namespace.run(() => undefined);
      } finally {
        namespace.close();
      }
    }),
    mark: attempt(() => withSocket((fd) => setOption(fd, MARK, PROBE_MARK))),
    transparent: attempt(() => withSocket((fd) => setOption(fd, TRANSPARENT, 1))),
  };
}

function attempt(action: () => void): true | string {
  try {
    action();
    return true;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function withSocket(action: (fd: number) => void): void {
  const fd = checked(native().socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), { operation: 'socket' });
  try {
    action(fd);
  } finally {
    closeDescriptor(fd);
  }
}
