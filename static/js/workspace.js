// @ts-check
// The panels beside a conversation, with or without one.
import { CouncilOrder } from "./council-order.js";
import { resumeAfter, startModeSwitch, takeSwitch } from "./mode-switch.js";
import { startPanelTabs } from "./panel-tabs.js";
import { startPanels } from "./panels.js";
import { startFolds } from "./question-fold.js";

const switched = takeSwitch();
startPanels({ stayOpen: switched?.isOpen ? "panel-council" : null });
startPanelTabs();
startModeSwitch();
if (switched) resumeAfter(switched);
startFolds();
const council = document.querySelector("[data-council]");
if (council?.children.length > 1) new CouncilOrder(council);
