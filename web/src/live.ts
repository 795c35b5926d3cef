/** Lists that keep themselves fresh: htmx, without what a strict policy forbids. */
import htmx from "htmx.org";

htmx.config.allowEval = false;
htmx.config.includeIndicatorStyles = false;
htmx.config.selfRequestsOnly = true;
