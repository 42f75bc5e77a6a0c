/** Reads one large version of the local configuration, apart from the thread that answers probes. */
import { runLocalConfigThread } from '@ambientmesh/ztunnel/local-config-thread';

runLocalConfigThread();
