// @ts-check
// The panels beside a conversation, with or without one.
import { CouncilOrder } from "./council-order.js";
import { startPanels } from "./panels.js";
import { startFolds } from "./question-fold.js";

startPanels();
startFolds();
const council = document.querySelector("[data-council]");
if (council?.children.length > 1) new CouncilOrder(council);
