"""What Grafana knows by name, as far as pages may use it; an unknown name is silently shown as nothing."""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return text.split()


# Ids of @grafana/data's getValueFormats(); `m` is minutes, metres are `lengthm`.
UNITS = frozenset(
    _words(
        """
        none string short percent percentunit humidity dB candela hex0x hex sci locale pixel bool
        bool_yes_no bool_on_off
        accMS2 accFS2 accG degree radian grad arcmin arcsec areaM2 areaF2 areaMI2 areaKM2 areaHA areaAC
        flops ppm conppb conngm3 conngNm3 conμgm3 conμgNm3 conmgm3 conmgNm3 congm3 congNm3
        dateTimeAsIso dateTimeAsIsoNoDateIfToday dateTimeAsUS dateTimeAsLocal dateTimeAsSystem dateTimeFromNow
        bytes decbytes bits decbits kbytes deckbytes mbytes decmbytes gbytes decgbytes tbytes dectbytes pbytes decpbytes
        pps Bps binBps bps binbps KBs KiBs Kbits Kibits MBs MiBs Mbits Mibits GBs GiBs Gbits Gibits
        watt kwatt megwatt gwatt mwatt Wm2 voltamp kvoltamp voltampreact watth kwatth kwattm joule ev amp kamp mamp
        volt kvolt mvolt dBm ohm kohm Mohm farad lumens
        flowgpm flowcms flowcfs flowcfm litreh flowlpm flowmlpm lux forceNm forcekNm forceN forcekN
        massmg massg masslb masskg masst lengthmm lengthin lengthft lengthm lengthkm lengthmi
        pressurembar pressurebar pressurekbar pressurepa pressurehpa pressurekpa pressurehg pressurepsi
        rotrpm rothz rotrads rotdegs celsius fahrenheit kelvin
        cps ops reqps rps wps iops eps mps recps rowsps cpm opm reqpm rpm wpm mpm recpm rowspm
        hertz ns µs ms s m h d dtdurationms dtdurations dthms dtdhms timeticks clockms clocks
        velocityms velocitykmh velocitymph velocityknot mlitre litre m3 Nm3 dm3 gallons
        """
    )
)
FREE_UNITS = ("suffix:", "prefix:", "time:", "si:", "count:", "currency:", "bool:")

TRANSFORMATIONS = frozenset(
    _words(
        """
        append calculateField concatenate convertFieldType convertFrameType filterByRefId filterByValue
        filterFieldsByName filterFrames filterFrames formatString formatTime groupBy groupToMatrix groupingToMatrix
        groupToNestedTable histogram joinByField labelsToFields limit merge organize reduce renameByRegex seriesToRows
        sortBy transpose
        configFromData extractFields fieldLookup heatmap joinByLabels lookup partitionByValues prepareTimeSeries
        regression rowsToFields smoothing spatial timeSeriesTable
        """
    )
)

MACROS = frozenset(
    _words(
        """
        __time __timeEpoch __timeFilter __timeFrom __timeTo __timeGroup __timeGroupAlias __unixEpochFilter
        __unixEpochFrom __unixEpochTo __unixEpochNanoFilter __unixEpochNanoFrom __unixEpochNanoTo __unixEpochGroup
        __unixEpochGroupAlias
        """
    )
)
BUILT_IN = frozenset({"__interval", "__interval_ms", "__from", "__to", "__url_time_range", "__all_variables"})

# Pages of the console that links may lead to: the first part of the address.
CONSOLE_PAGES = frozenset(
    {"", "incidents", "sensors", "gateways", "statistics", "shelves", "maintenance", "rosters", "rejections", "floods",
     "health", "notices", "drills", "audit", "sites", "alarms", "c"}
)  # fmt: skip

COLOUR_NAMES = frozenset(
    name
    for hue in ("red", "orange", "yellow", "green", "blue", "purple")
    for name in (hue, f"dark-{hue}", f"semi-dark-{hue}", f"light-{hue}", f"super-light-{hue}")
) | {"transparent", "text", "white", "black", "gray", "grey"}
