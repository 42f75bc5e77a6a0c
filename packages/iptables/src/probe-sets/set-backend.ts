import type { ToolPlace } from '../tool-place.ts';
import type { OwnedProbeEntry, ProbeEntry } from './probe-entry.ts';

/** What is to change in the sets. An address is in one of the lists at most. */
export interface SetChange {
  /** Added, or given another comment. */
  readonly put: readonly OwnedProbeEntry[];
  /** Removed if there. */
  readonly remove: readonly ProbeEntry[];
}

/** The sets of both families in one kind of kernel object. Each call starts one process, or one a family. */
export interface SetBackend {
  /** Makes the sets where they do not exist. */
  ensure(place: ToolPlace): Promise<void>;
  /** Empties the sets. */
  flush(place: ToolPlace): Promise<void>;
  list(place: ToolPlace): Promise<readonly ProbeEntry[]>;
  change(place: ToolPlace, change: SetChange): Promise<void>;
  /** Removes the sets; no error if they are gone. */
  destroy(place: ToolPlace): Promise<void>;
}
