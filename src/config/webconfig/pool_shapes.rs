//! The elements of an application pool, and what of them has no meaning outside of IIS.

use super::xml::Shape;

pub(super) const POOLS: Shape = Shape {
    attributes: &[],
    children: &["add", "applicationPoolDefaults", "clear", "remove"],
    wrong: &[("applicationPool", "write <add name=\"NAME\"> ... </add>")],
};

/// Each section by its path in a pool.
pub(super) const SECTIONS: [(&str, Shape); 7] = [
    (
        "",
        Shape {
            attributes: &[
                "name",
                "queueLength",
                "autoStart",
                "startMode",
                "enable32BitAppOnWin64",
                "enableConfigurationOverride",
                "enableEmulationOnWinArm64",
                "managedRuntimeVersion",
                "managedRuntimeLoader",
                "managedPipelineMode",
                "CLRConfigFile",
                "passAnonymousToken",
            ],
            children: &[
                "recycling",
                "processModel",
                "failure",
                "cpu",
                "environmentVariables",
                "workerProcess",
            ],
            wrong: &[
                ("periodicRestart", "put it into <recycling>"),
                (
                    "idleTimeout",
                    "put it into <processModel idleTimeout=\"...\" />",
                ),
            ],
        },
    ),
    (
        "recycling",
        Shape {
            attributes: &[
                "disallowOverlappingRotation",
                "disallowRotationOnConfigChange",
                "logEventOnRecycle",
            ],
            children: &["periodicRestart"],
            wrong: &[
                ("time", RESTART),
                ("requests", RESTART),
                ("privateMemory", RESTART),
                ("memory", RESTART),
                ("schedule", "put it into <periodicRestart>"),
            ],
        },
    ),
    (
        "recycling/periodicRestart",
        Shape {
            attributes: &["time", "requests", "memory", "privateMemory"],
            children: &["schedule"],
            wrong: &[
                ("privateBytesInKB", "write privateMemory=\"KB\""),
                ("count", "write requests=\"NUMBER\""),
                ("timeInterval", "write time=\"hh:mm:ss\""),
                ("add", "put it into <schedule>"),
            ],
        },
    ),
    (
        "recycling/periodicRestart/schedule",
        Shape {
            attributes: &[],
            children: &["add", "clear", "remove"],
            wrong: &[(
                "value",
                "write <schedule><add value=\"03:00:00\" /></schedule>",
            )],
        },
    ),
    (
        "processModel",
        Shape {
            attributes: &[
                "identityType",
                "userName",
                "password",
                "loadUserProfile",
                "setProfileEnvironment",
                "logonType",
                "manualGroupMembership",
                "idleTimeout",
                "idleTimeoutAction",
                "maxProcesses",
                "shutdownTimeLimit",
                "startupTimeLimit",
                "pingingEnabled",
                "pingInterval",
                "pingResponseTime",
                "logEventOnProcessModel",
                "requestQueueDelegatorIdentity",
            ],
            children: &[],
            wrong: &[("maxWorkerProcesses", "write maxProcesses")],
        },
    ),
    (
        "failure",
        Shape {
            attributes: &[
                "loadBalancerCapabilities",
                "orphanWorkerProcess",
                "orphanActionExe",
                "orphanActionParams",
                "rapidFailProtection",
                "rapidFailProtectionInterval",
                "rapidFailProtectionMaxCrashes",
                "autoShutdownExe",
                "autoShutdownParams",
            ],
            children: &[],
            wrong: &[("rapidFailsPerMinute", "write rapidFailProtectionMaxCrashes")],
        },
    ),
    (
        "cpu",
        Shape {
            attributes: &[
                "limit",
                "action",
                "resetInterval",
                "smpAffinitized",
                "smpProcessorAffinityMask",
                "smpProcessorAffinityMask2",
                "processorGroup",
                "numaNodeAssignment",
                "numaNodeAffinityMode",
            ],
            children: &[],
            wrong: &[],
        },
    ),
];
const RESTART: &str = "put it into <periodicRestart>, inside <recycling>";

pub(super) const TIME: Shape = Shape {
    attributes: &["value"],
    children: &[],
    wrong: &[("time", "write value=\"03:00:00\"")],
};

/// What is said of an attribute that has no meaning here.
pub(super) struct Say {
    pub(super) path: &'static str,
    /// The first that is written is shown.
    pub(super) names: &'static [&'static str],
    /// Values that need no word.
    pub(super) unless: &'static [&'static str],
    pub(super) what: &'static str,
    pub(super) cure: &'static str,
}

const fn say(
    path: &'static str,
    names: &'static [&'static str],
    unless: &'static [&'static str],
    what: &'static str,
    cure: &'static str,
) -> Say {
    Say {
        path,
        names,
        unless,
        what,
        cure,
    }
}

const OFF: &[&str] = &["0", "00:00:00"];

/// Each with the nearest thing that autoheal has.
pub(super) const SAY: [Say; 9] = [
    say(
        "",
        &["autoStart"],
        &["true"],
        "the worker starts when autoheal does, also with autoStart=\"false\"",
        "remove autoStart, or leave it for IIS; autoheal stop leaves the worker stopped",
    ),
    say(
        "recycling/periodicRestart",
        &["memory"],
        OFF,
        "virtual memory is not watched: most of it is addresses, not memory",
        "write privateMemory=\"KB\" for what the worker has for itself",
    ),
    say(
        "processModel",
        &["idleTimeout"],
        OFF,
        "an idle worker is kept: nothing stops it after idleTimeout",
        "set idleTimeout=\"00:00:00\", or leave it for IIS",
    ),
    say(
        "processModel",
        &["pingInterval", "pingResponseTime"],
        &[],
        "IIS asks its workers by a ping of its own; autoheal asks by HTTP",
        "add [health] path = \"/healthz\", interval = \"30s\" to an autoheal.toml beside this file",
    ),
    say(
        "processModel",
        &["maxProcesses"],
        &["1"],
        "how many workers serve is not said here: one does",
        "add [worker] count = 4 to an autoheal.toml beside this file",
    ),
    say(
        "processModel",
        &["userName"],
        &[],
        "the worker runs as the user that autoheal runs as",
        "add [worker] user = \"NAME\" to an autoheal.toml beside this file",
    ),
    say(
        "failure",
        &["loadBalancerCapabilities"],
        &["HttpLevel"],
        "connections are not reset when the worker is down: the answer is 503",
        "set loadBalancerCapabilities=\"HttpLevel\", or let the load balancer ask [parking] probe",
    ),
    say(
        "failure",
        &["orphanWorkerProcess"],
        &["false"],
        "a sick worker is not left behind for a debugger",
        "collect evidence before: a [[rule]] with do = [{ run = [\"./dump.sh\", \"%1%\"] }, \
         \"recycle\"]",
    ),
    say(
        "failure",
        &["autoShutdownExe"],
        &[],
        "nothing runs when the worker is given up",
        "watch autoheal events -f, or remove it",
    ),
];
