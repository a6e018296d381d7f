/**
 * The page: which modules there are, and in which order they begin.
 *
 * In: the service at the page's own address, by `service/`. Out: what a person sees and does. Must not: load anything from
 * another host, or know more of the service than its HTTP API says. A module exports `begin…`, which is called here once.
 */
import { beginCache } from "./cache/cache.js";
import { beginForm } from "./form/form.js";
import { beginMask } from "./form/mask.js";
import { beginSource } from "./form/source.js";
import { beginDetail } from "./history/detail.js";
import { beginHistory } from "./history/history.js";
import { beginPanel } from "./history/panel.js";
import { beginDemo } from "./model/demo.js";
import { beginFacts } from "./model/facts.js";
import { beginStart } from "./model/start.js";
import { beginTimeline } from "./model/timeline.js";
import { beginRuns } from "./pictures/runs.js";
import { beginStage } from "./pictures/stage.js";
import { beginSignIn } from "./service/key.js";
import { beginModel } from "./service/model.js";
import { beginStatus } from "./service/status.js";

beginSignIn();
beginStart();
beginTimeline();
beginFacts();
beginCache();
beginDemo();
beginForm();
beginSource();
beginMask();
beginStage();
beginRuns();
beginHistory();
beginPanel();
beginDetail();
beginStatus();
beginModel();
