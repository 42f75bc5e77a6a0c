/** A lookup for a part of the proxy itself: its first address, or words for why there is none. */
export type LookupResult = { readonly ip: string } | { readonly failure: string };

/** Looks a name up as a pod's own query would be. `done` is called once, at once if it can be, or never if the pod is gone. */
export type Lookup = (hostname: string, family: 4 | 6, done: (result: LookupResult) => void) => void;
