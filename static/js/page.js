// @ts-check
// What every page does.
import { forgetDraftsAtSignOut } from "./drafts.js";
import { startLimits } from "./limits.js";
import { startMenus } from "./menus.js";
import { startPanels } from "./panels.js";
import { startSearchKeys } from "./search.js";
import { startSidebar } from "./sidebar.js";
import { startThemeSwitch } from "./theme.js";
import { localizeTimes } from "./times.js";
import { startTitles } from "./titles.js";

startThemeSwitch();
startMenus();
if (!document.querySelector("[data-workspace]")) startPanels(); // else workspace.js does
startSidebar();
startLimits();
startSearchKeys();
startTitles();
localizeTimes(document);
forgetDraftsAtSignOut();
