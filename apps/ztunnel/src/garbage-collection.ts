import { setFlagsFromString } from 'node:v8';

/** The first Node whose V8 has `external-memory-accounted-in-global-limit`; others complain on stderr. */
const ACCOUNTED_SINCE_NODE = 24;
/** A data thread's heap holds some 16 MB; below this V8 does not collect it as a whole. */
const INITIAL_OLD_SPACE_MB = 64;

/**
 * Has V8 leave the heaps of threads started from now on alone: what sockets deliver is memory outside of the heap, which
 * holds next to no garbage itself. V8 counts such memory apart by default, and starts from a heap so small that it is
 * full all the time: dozens of full collections a second, several ms each. Flags about the collector's threads belong on
 * the command line: set here they crash a collection under way.
 */
export function tuneGarbageCollection(): void {
  if (Number.parseInt(process.versions.node, 10) >= ACCOUNTED_SINCE_NODE)
    setFlagsFromString('--external-memory-accounted-in-global-limit');
  setFlagsFromString(`--initial-old-space-size=${INITIAL_OLD_SPACE_MB}`);
}
